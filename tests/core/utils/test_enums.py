from quaterion_core.utils.enums import TrainStage


def test_a_stage_is_its_name():
    assert [stage.value for stage in TrainStage] == ["train", "validation", "test"]
    assert TrainStage("test") == "test"
