"""The table of mistakes: in Python and in recipes, each with its error and what that says."""

# ruff: noqa: F401 (the code of the table uses what is imported)

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, RandomSampler

from quaterion_core import Quaterion, SimilarityModel
from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.encoders import Encoder
from quaterion_core.eval import Evaluator
from quaterion_core.eval.pair import RetrievalPrecision
from quaterion_core.eval.samplers import PairSampler
from quaterion_core.heads import EmptyHead, GatedHead, LinearProjectionHead
from quaterion_core.loss import ArcFaceLoss, ContrastiveLoss, TripletLoss
from quaterion_core.plugins import MissingComponentError, PluginError
from quaterion_core.recipe import RecipeError, check_recipe
from quaterion_core.serving import ExactSearch
from quaterion_core.train.cache import CacheConfig
from quaterion_core.train.xbm import XbmConfig

WORDS = ["card lost", "card new", "fee why", "fee high", "pin new", "pin lost", "bank", "bill"]


class Letters(Encoder):
    """Counts the letters of a text."""

    trainable, embedding_size = False, 26

    def get_collate_fn(self):
        return list

    def forward(self, texts):
        return torch.tensor([[float(t.count(chr(97 + n))) for n in range(26)] for t in texts])


class Lines(torch.utils.data.Dataset):
    """A dataset that shows its scores only when it is read."""

    def __init__(self, score):
        self.score = score

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return SimilarityPairSample(f"a{index}", "b", self.score)


def build(**parts):
    return Quaterion.build(**{"encoder": Letters(), "head": "gated", "loss": "triplet", **parts})


def pair_model(**parts):
    return build(**{"loss": "multiple-negatives-ranking", **parts})


def trainer(**arguments):
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    return pl.Trainer(
        **{"max_epochs": 1, "accelerator": "cpu", **dict.fromkeys(off, False), **arguments}
    )


def group_samples():
    return [SimilarityGroupSample(word, word[0]) for word in WORDS]


def pair_samples(score=1.0):
    return [SimilarityPairSample(word, word[::-1], score) for word in WORDS]


def groups():
    return GroupSimilarityDataLoader(group_samples(), batch_size=4)


def pairs(score=1.0):
    return PairsSimilarityDataLoader(pair_samples(score), batch_size=4)


def loaded(**arguments):
    return GroupSimilarityDataLoader(group_samples(), **arguments)


def evaluator():
    return Evaluator(RetrievalPrecision(), PairSampler(log_progress=False))


def half():
    model = build()
    model.half()
    return model


def default_trainer():
    return pl.Trainer(accelerator="cpu", logger=False, **defaults())


fit, evaluate, defaults = Quaterion.fit, Quaterion.evaluate, Quaterion.trainer_defaults
frame = pd.DataFrame({"question": WORDS, "answer": WORDS})

IN_PYTHON = [
    # code, error, words of the message
    ("fit(trainer(), build(), groups())", TypeError, "got a Trainer. Pass the model first"),
    ("fit(build().model, trainer(), groups())", TypeError, "a SimilarityModel. It has no loss"),
    ("fit(type(build()), trainer(), groups())", TypeError, "the class AssembledModel. Pass an obj"),
    ("fit(Letters(), trainer(), groups())", TypeError, "Make one with Quaterion.build("),
    ("fit('triplet', trainer(), groups())", TypeError, "a TrainableModel, got 'triplet'"),
    ("fit(None, None, groups())", TypeError, "a TrainableModel, got None"),
    ("fit(build(), groups())", TypeError, "train_dataloader"),
    ("fit(build(), groups(), groups())", TypeError, "a GroupSimilarityDataLoader. The order is"),
    ("fit(build(), pl.Trainer, groups())", TypeError, "got the class Trainer. Pass an object"),
    ("fit(build(), {'max_epochs': 1}, groups())", TypeError, "pytorch_lightning.Trainer(**arg"),
    ("fit(build(), 'cpu', groups())", TypeError, "a pytorch_lightning.Trainer or None, got 'cpu'"),
    ("fit(build(), trainer(), DataLoader(WORDS))", TypeError, "Expected train_dataloader to be"),
    ("fit(build(), trainer(), pairs())", TypeError, "Choose a loss over pairs"),
    ("fit(pair_model(), trainer(), groups())", TypeError, "Choose a loss over groups"),
    ("fit(build(), trainer(), groups(), pairs())", TypeError, "does not fit val_dataloader"),
    ("fit(build(), trainer(), groups(), None, 'a.ckpt')", FileNotFoundError, "no file 'a.ckpt'"),
    ("fit(build(), trainer(), groups(), None, 3)", TypeError, "a checkpoint or None, got 3"),
    ("fit(build(), trainer(), groups(), batch_sampler='group')", ValueError, "mean 'groups'?"),
    (
        "fit(build(), trainer(), groups(), batch_sampler=RandomSampler(WORDS))",
        TypeError,
        "the name of a batch sampler, such as 'groups'",
    ),
    ("fit(build(), trainer(), groups(), grad_cache_chunk='2')", ValueError, "got '2'"),
    ("fit(build(), trainer(), groups(), grad_cache_chunk=0)", ValueError, "got 0"),
    ("fit(build(), trainer(), groups(), plugins='acme')", TypeError, "Write ['acme']"),
    ("fit(build(), trainer(), groups(), plugins=['acme'])", PluginError, "no plugin 'acme'"),
    ("fit(build(), trainer(), groups(), max_epochs=3)", TypeError, "max_epochs"),
    ("fit(half(), trainer(), groups())", ValueError, "precision='16-mixed'"),
    ("fit(build(), default_trainer(), groups())", ValueError, "monitor='train_loss'"),
    ("defaults(groups())", TypeError, "The order is Quaterion.trainer_defaults("),
    (
        "fit(pair_model(metrics=['recall-at-k']), trainer(), pairs())",
        TypeError,
        "got 'recall_at_k' (RecallAtK). Choose metrics over pairs",
    ),
    (
        "fit(pair_model(metrics=['retrieval-r-precision', 'map-at-r']), trainer(), pairs())",
        TypeError,
        "'retrieval_r_precision' (RetrievalRPrecision), 'map_at_r' (MapAtR)",
    ),
    (
        "fit(build(metrics=['retrieval-precision']), trainer(), groups())",
        TypeError,
        "Choose metrics over groups, such as recall-at-k",
    ),
    ("fit(pair_model(), trainer(), pairs('c'))", ValueError, "sample 0 has the score 'c'"),
    ("fit(pair_model(), trainer(), pairs('1'))", ValueError, "Convert strings with float()"),
    ("fit(pair_model(), trainer(), pairs(None))", ValueError, "the score None"),
    ("fit(pair_model(), trainer(), pairs(float('nan')))", ValueError, "the score nan"),
    ("fit(pair_model(loss='contrastive'), trainer(), pairs(-2.0))", ValueError, "from -2 to -2"),
    (
        "fit(pair_model(), trainer(), PairsSimilarityDataLoader(Lines('c')))",
        ValueError,
        "sample 0 has the score 'c'",
    ),
    ("fit(pair_model(), trainer(), PairsSimilarityDataLoader([]))", ValueError, "empty"),
    (
        "fit(pair_model(), trainer(), PairsSimilarityDataLoader(group_samples()))",
        TypeError,
        "SimilarityGroupSample",
    ),
    ("trainer().fit(build(), DataLoader(WORDS))", TypeError, "a PairsSimilarityDataLoader or a"),
    ("loaded(batch_size=0)", ValueError, "integer of at least 1, got 0"),
    ("loaded(batch_size='4')", TypeError, "the string '4'; write it without quotes"),
    ("loaded(batch_size=2.5)", TypeError, "batch_size: Expected an integer"),
    (
        "loaded(num_workers=-1)",
        ValueError,
        "num_workers: Expected an integer of at least 0, got -1",
    ),
    ("loaded(num_workers='2')", TypeError, "num_workers: Expected an integer"),
    ("loaded(shuffle='yes')", TypeError, "shuffle: Expected true or false"),
    ("loaded(drop_last='no')", TypeError, "drop_last: Expected true or false"),
    ("loaded(timeout=-1)", ValueError, "timeout: Expected a number of at least 0, got -1"),
    (
        "loaded(prefetch_factor=2)",
        ValueError,
        "The GroupSimilarityDataLoader cannot be built: pref",
    ),
    ("loaded(shuffle=True, sampler=RandomSampler(WORDS))", ValueError, "sampler option is mutual"),
    ("loaded(batch_size=0, num_workers='2')", ValueError, "- num_workers: Expected an integer"),
    ("loaded(shuffel=True)", TypeError, "shuffel"),
    ("GroupSimilarityDataLoader(None)", TypeError, "got None of type NoneType"),
    ("GroupSimilarityDataLoader('train.csv')", TypeError, "CsvDataset({'train': 'train.csv'}"),
    (
        "build().model.save(3)",
        TypeError,
        "Expected output_path to be a path, such as 'my_model', got 3",
    ),
    ("build().model.save(None)", TypeError, "such as 'my_model', got None"),
    ("build().model.save('')", ValueError, "got an empty string"),
    ("SimilarityModel.load(None)", TypeError, "Expected input_path to be a path"),
    ("SimilarityModel.load(3)", TypeError, "such as 'my_model', got 3"),
    ("SimilarityModel.load('')", ValueError, "got an empty string"),
    ("defaults(build(), group_samples())", TypeError, "Pass PairsSimilarityDataLoader(data) or"),
    ("defaults(build(), build())", TypeError, "Expected train_dataloader to be a data loader"),
    ("ExactSearch(build().model, 'faq.txt')", TypeError, "Pass ['faq.txt']"),
    ("ExactSearch(build().model, [])", ValueError, "nothing to search in"),
    (
        "ExactSearch(build().model, WORDS).search('a', top=0)",
        ValueError,
        "Expected top to be a posi",
    ),
    ("ExactSearch(build().model, WORDS).search('a', top='5')", TypeError, "integer, got '5'"),
    (
        "CacheConfig(num_workers=-1)",
        ValueError,
        "num_workers of a CacheConfig to be 0 or more, got",
    ),
    ("XbmConfig(weight=-1)", ValueError, "weight of XbmConfig to be 0 or more, got -1"),
    ("trainer().fit(build(), group_samples())", TypeError, "a data loader, got a list. Pass Pairs"),
    ("trainer().fit(build(), 'train.csv')", TypeError, "a data loader, got 'train.csv'"),
    ("trainer().fit(build())", TypeError, "Expected training data, got none"),
    ("PairsSimilarityDataLoader(pairs())", TypeError, "Pass the dataset of that loader"),
    ("build(metrics='recall-at-k')", TypeError, "Write ['recall-at-k']"),
    ("build(metrics=RetrievalPrecision())", TypeError, "Pass a list of it"),
    ("build(metrics=['recall-at-q'])", MissingComponentError, "did you mean 'recall-at-k'"),
    ("build(metrics=['recall-at-k', 'recall-at-k'])", ValueError, "Two metrics are named"),
    ("build(metrics=[{'name': 'recall-at-k', 'k': '5'}])", TypeError, "without quotes"),
    ("build(optimizer={'name': 'adam', 'lr': '0.1'})", TypeError, "write it without quotes"),
    ("build(optimizer={'name': 'adam', 'lr': -0.1})", ValueError, "Invalid learning rate: -0.1"),
    ("build(optimizer={'lr': 0.1})", TypeError, "which has no 'name'"),
    ("build(optimizer='Adamw8')", ValueError, "did you mean 'adamw'?"),
    ("build(optimizer=torch.optim.Adam)", TypeError, "the name of an optimizer, such as 'adam'"),
    ("build(optimizer=0.001)", TypeError, "got 0.001"),
    ("build(schedule='cosin')", ValueError, "did you mean 'cosine'?"),
    ("build(schedule=0.1)", TypeError, "the name of a schedule, such as 'cosine'"),
    ("build(cache=True)", TypeError, "CacheConfig, got True"),
    ("build(cache='cpu')", TypeError, "Pass CacheConfig(...)"),
    ("build(cache={'cache_type': 'cpu'})", TypeError, "CacheConfig, got a dict"),
    ("build(cache=CacheConfig)", TypeError, "got the class CacheConfig"),
    ("build(xbm=True)", TypeError, "XbmConfig, got True"),
    ("build(xbm={'weight': 1})", TypeError, "Pass XbmConfig(...)"),
    (
        "build(loss='MultipleNegativesRanking')",
        MissingComponentError,
        "did you mean 'multiple-negatives-ranking'",
    ),
    ("build(loss='MultipleNegativesRankingLoss')", MissingComponentError, "'multiple-negatives-r"),
    ("build(loss='TripletLoss')", MissingComponentError, "did you mean 'triplet'"),
    ("build(loss=TripletLoss)", TypeError, "got the class TripletLoss. Pass an instance"),
    ("build(loss=torch.nn.CrossEntropyLoss())", TypeError, "from GroupLoss or PairwiseLoss"),
    ("build(loss={'margin': 0.3})", TypeError, "which has no 'name'"),
    ("build(loss={'name': 'triplet', 'margn': 0.3})", TypeError, "did you mean 'margin'?"),
    ("build(loss='arcface')", TypeError, "needs num_groups"),
    ("build(head=GatedHead)", TypeError, "got the class GatedHead. Pass an instance"),
    ("build(head=128)", TypeError, "an EncoderHead from quaterion_core.heads, got 128"),
    ("build(head=torch.nn.Linear(26, 8))", TypeError, "got a Linear"),
    ("build(head='LinearProjection')", MissingComponentError, "did you mean 'linear-projection'"),
    ("build(head=EmptyHead(3))", ValueError, "input_embedding_size=26"),
    (
        "build(encoder='all-MiniLM-L6-v2')",
        MissingComponentError,
        "{'name': 'quaterion-nlp/sentence-transformer', 'model': 'all-MiniLM-L6-v2'}",
    ),
    (
        "build(encoder='sentence-transformers/all-MiniLM-L6-v2')",
        MissingComponentError,
        "'model': 'sentence-transformers/all-MiniLM-L6-v2'}",
    ),
    (
        "build(encoder='no-such-owner/all-mpnet-base-v2')",
        MissingComponentError,
        "'model': 'no-such-owner/all-mpnet-base-v2'}",
    ),
    (
        "build(encoder='my.csv')",
        MissingComponentError,
        "{'name': 'csv', 'files': {'train': 'my.csv'}, ...}",
    ),
    ("build(loss='data/my.jsonl')", MissingComponentError, "{'name': 'jsonl', 'files'"),
    ("build(encoder=Letters)", TypeError, "got the class Letters. Pass an instance"),
    ("build(encoder=None)", TypeError, "either one encoder=... or several encoders="),
    ("build(encoders={'a': Letters()})", TypeError, "either one encoder=... or several encoders="),
    ("build(encoder=[Letters()])", TypeError, "Encoder from quaterion_core.encoders, got a list"),
    ("build(encoder=None, encoders=[Letters()])", TypeError, "from keys to encoders, got a list"),
    ("build(encoder=None, encoders={})", ValueError, "at least one encoder"),
    ("build(encoder=None, encoders={'a.b': Letters()})", ValueError, "letters, digits"),
    ("build().encode(WORDS)", AttributeError, "write trainable_model.model.encode"),
    ("build().save('model')", AttributeError, "write trainable_model.model.save"),
    ("build().model.encode(frame)", TypeError, "several columns"),
    ("build().model.encode(tuple(WORDS))", TypeError, "a tuple of 8"),
    ("build().model.encode(set(WORDS))", TypeError, "which has no order"),
    ("build().model.encode(WORDS, batch_size=0)", ValueError, "a positive integer, got 0"),
    ("build().model.encode(WORDS, batch_size='8')", TypeError, "a positive integer, got '8'"),
    ("build().model.encode(WORDS, dim=27)", ValueError, "between 1 and the embedding size 26"),
    ("build().model.encode(None)", ValueError, "got None"),
    ("build().model.encode(['a', None])", ValueError, "got None at position 1"),
    ("build().model.encode(3)", TypeError, "objects that the model's encoders take, got 3"),
    ("build().model.encode([2.5, 'a'])", TypeError, "encoders take, got 2.5"),
    ("build().model.to('gpu')", ValueError, "got 'gpu'. NVIDIA GPUs are called 'cuda'"),
    ("build().model.to('cuda:99')", ValueError, "Expected one of the devices cpu"),
    ("build().model.cuda(99)", ValueError, "got 'cuda:99'"),
    ("ExactSearch(build().model, WORDS).search(['a', 'b'])", TypeError, "Expected one query, got"),
    ("trainer().validate(build(), group_samples())", TypeError, "Quaterion.evaluate(evaluator"),
    ("trainer().test(build(), group_samples())", TypeError, "Expected dataloaders to be a data"),
    ("trainer().predict(build(), WORDS)", TypeError, "model.model.encode(objects)"),
    ("trainer().validate(build(), DataLoader(group_samples()))", TypeError, "got a DataLoader"),
    ("build().model.encode(group_samples())", TypeError, "[sample.obj for sample in samples]"),
    ("build().model.encode(pair_samples())", TypeError, "[sample.obj_a for sample in samples]"),
    ("build().model.encode(groups())", TypeError, "Pass a list of objects"),
    ("build().model(WORDS)", TypeError, "Embed raw objects with model.encode(objects)"),
    (
        "evaluate(pair_samples(), evaluator(), build().model)",
        TypeError,
        "The order is Quaterion.evaluate(evaluator, dataset, model)",
    ),
    ("evaluate(evaluator(), pair_samples(), pair_model())", TypeError, "attribute `model`"),
    ("evaluate(evaluator(), group_samples(), build().model)", TypeError, "PairSampler for pairs"),
    ("Evaluator('retrieval-precision', PairSampler())", TypeError, "Expected a PairMetric"),
    ("Evaluator(RetrievalPrecision(), PairSampler)", TypeError, "PairSampler"),
    ("Evaluator({}, PairSampler())", ValueError, "at least one metric"),
    ("SimilarityModel('static', 'identity')", TypeError, "keys to encoders, got 'static'"),
    ("SimilarityModel(Letters(), EmptyHead(3))", ValueError, "input_embedding_size=26"),
    ("SimilarityModel(Letters(), EmptyHead)", TypeError, "got the class EmptyHead"),
    ("SimilarityModel.load('no-such')", ValueError, "There is no folder no-such"),
    ("RetrievalPrecision(k='5')", TypeError, "k: Expected an integer of at least 1, got"),
    ("RetrievalPrecision(k=0)", ValueError, "1 or more, got 0"),
    ("RetrievalPrecision(reduce_func='mean')", TypeError, "reduce_func: Expected"),
    ("RetrievalPrecision(distance_metric_name='cos')", ValueError, "no distance 'cos'"),
    ("TripletLoss(margin='0.3')", TypeError, "write it without quotes"),
    ("TripletLoss(margin=None, soft='no')", TypeError, "- soft: Expected true or false"),
    ("TripletLoss(mining='hardest')", ValueError, "'hardest'"),
    ("ContrastiveLoss(margin=[1])", TypeError, "margin: Expected a number"),
    ("ArcFaceLoss(26, '8')", TypeError, "num_groups: Expected an integer of at least 1, got"),
    ("LinearProjectionHead(26, output_size='8')", TypeError, "output_size: Expected an integer"),
    ("GatedHead('26')", TypeError, "input_embedding_size: Expected an integer"),
    ("GatedHead(26, dropout=1.5)", ValueError, "1.5"),
    ("CacheConfig(cache_type='tape')", ValueError, "There is no type of cache 'tape'"),
    ("CacheConfig(batch_size=0)", ValueError, "batch_size=0"),
    ("CacheConfig(batch_size='32')", TypeError, "batch_size: Expected an integer"),
    ("XbmConfig(buffer_size='many')", TypeError, "buffer_size: Expected an integer, got 'many'"),
    ("XbmConfig(buffer_size=0)", ValueError, "buffer_size"),
]


@pytest.mark.parametrize(("code", "error", "words"), IN_PYTHON, ids=[row[0] for row in IN_PYTHON])
def test_a_mistake_in_python_is_explained(code, error, words):
    with pytest.raises(error) as caught:
        eval(code)
    assert words in str(caught.value)
    assert error is AttributeError or not isinstance(caught.value, AttributeError)


@pytest.mark.parametrize("column", [frame["question"], frame["question"].to_numpy()], ids=type)
def test_a_column_is_no_mistake(column):
    assert build().model.encode(column).shape == (8, 26)


def test_a_model_in_half_precision_embeds():
    model, exact = build().model.half(), build().model
    exact.load_state_dict(model.state_dict())
    assert abs(model.encode(WORDS).astype(float) - exact.encode(WORDS)).max() < 0.05


IN_A_RECIPE = [
    # what is replaced, by what, where the fault is, words of the message
    ("lr: 0.01", 'lr: "0.01"', "optimizer.lr", "the string '0.01'; write it without quotes"),
    ("lr: 0.01", "lr: -1", "optimizer", "Invalid learning rate: -1"),
    ("lr: 0.01", "lr: yes please", "optimizer.lr", "Expected a number"),
    ("lr: 0.01", "wieght_decay: 1", "optimizer.wieght_decay", "did you mean 'weight_decay'?"),
    ("name: adam,", "name: addam,", "optimizer", "did you mean 'adam'?"),
    ("lr: 0.01", "parts: {hed: {lr: 1}}", "optimizer.parts.hed", "did you mean 'head'?"),
    ("lr: 0.01", "parts: {head: {lr: x}}", "optimizer.parts.head.lr", "Expected a number"),
    ("lr: 0.01", "parts: head", "optimizer.parts", "Expected a mapping from parts"),
    ("epochs: 2", "schedule: cosin", "schedule", "did you mean 'cosine'?"),
    ("epochs: 2", "schedule: {name: cosine, warmup: 1}", "schedule.warmup", "'warm_up'?"),
    ("epochs: 2", "schedule: {name: cosine, warm_up: 2}", "schedule.warm_up", "less than 1"),
    ("epochs: 2", "batch_sampler: group", "batch_sampler", "did you mean 'groups'?"),
    ("epochs: 2", "batch_sampler: 7", "batch_sampler", "Expected the name of a batch sampler"),
    (
        "epochs: 2",
        "batch_sampler: {name: groups, samples_per_group: two}",
        "batch_sampler.samples_per_group",
        "Expected an integer of at least 1, got 'two'",
    ),
    ("epochs: 2", "epochs: '2'", "epochs", "the string '2'; write it without quotes"),
    ("epochs: 2", "epochs: 2.5", "epochs", "Expected an integer of at least 1, got 2.5"),
    ("epochs: 2", "epochs: true", "epochs", "Expected an integer"),
    ("epochs: 2", "seed: -1", "seed", "at least 0"),
    ("epochs: 2", "xbm: {bufer_size: 8}", "xbm.bufer_size", "did you mean 'buffer_size'?"),
    ("epochs: 2", "xbm: {weight: heavy}", "xbm.weight", "Expected a number"),
    ("epochs: 2", "xbm: yes", "xbm", "Expected a mapping of weight, buffer_size"),
    ("epochs: 2", "cache: {type: tape}", "cache.type", "'disk'"),
    ("epochs: 2", "cache: {batch_size: 0}", "cache.batch_size", "at least 1, got 0"),
    ("epochs: 2", "splits: train", "splits", "Expected a mapping of train, validation"),
    ("epochs: 2", "splits: {train: trian}", "splits.train", "did you mean 'train'?"),
    ("epochs: 2", "splits: {reference: tst}", "splits.reference", "has no split 'tst'"),
    ("epochs: 2", "plugins: quaterion-nlp", "plugins", "Expected a list of strings"),
    ("epochs: 2", "plugins: [no-such-plugin]", "plugins.0", "no plugin 'no-such-plugin'"),
    ("epochs: 2", "loader: {num_worker: 2}", "loader.num_worker", "did you mean 'num_workers'"),
    ("epochs: 2", "loader: {num_workers: -1}", "loader", "num_workers"),
    ("epochs: 2", "loader: {shuffle: 'no'}", "loader.shuffle", "Expected true or false"),
    ("epochs: 2", "loader: {batch_size: 8}", "loader", "belongs to the top level"),
    ("epochs: 2", "grad_cache_chunk: 0", "grad_cache_chunk", "at least 1"),
    ("cpu, ", "gpuu, ", "trainer.accelerator", "gpuu"),
    ("cpu, ", "cpu, devices: two, ", "trainer.devices", "got 'two'"),
    ("cpu, ", "cpu, precision: bf17, ", "trainer.precision", "got 'bf17'"),
    ("cpu, ", "cpu, acumulate_grad_batches: 2, ", "trainer.acumulate_grad_batches", "did you"),
    (
        "cpu, ",
        "cpu, overfit_batches: big, ",
        "trainer.overfit_batches",
        "Expected a number",
    ),
    ("cpu, ", "cpu, max_epochs: 5, ", "trainer", "the same setting"),
    ("mining: all", "margin: big", "loss.margin", "a number of at least 0, got 'big'"),
    ("mining: all", "mining: al", "loss", "mining"),
    ("mining: all", "margin: -1", "loss.margin", "Expected a number of at least 0, got -1"),
    ("loss: {name: triplet, mining: all}", "loss: tripplet", "loss", "did you mean 'triplet'?"),
    ("loss: {name: triplet, mining: all}", "loss: [triplet]", "loss", "Expected the name of"),
    ("loss: {name: triplet, mining: all}\n", "", "loss", "The key 'loss' is missing"),
    ("output_size: 8", "output_size: wide", "head.output_size", "Expected an integer"),
    ("output_size: 8", "initial: identity", "head", "needs 'output_size': expected an integer"),
    ("output_size: 8", "output_size: 8, dropout: 1.5", "head.dropout", "less than 1, got 1.5"),
    ("output_size: 8", "output_size: 0", "head.output_size", "at least 1, got 0"),
    ("{name: triplet, mining: all}", "{name: arcface, margin: 9}", "loss", "margin"),
    ("[retrieval-r-precision]", "retrieval-r-precision", "metrics", "Expected a list"),
    ("[retrieval-r-precision]", "[{name: knn-accuracy, k: 0}]", "metrics.0.k", "at least 1"),
    (
        "[retrieval-r-precision]",
        "[retrieval-r-precision, retrieval-r-precision]",
        "metrics",
        "Two metrics are named",
    ),
    (
        "[retrieval-r-precision]",
        "{mine: {name: knn-accuracy, k: many}}",
        "metrics.mine.k",
        "Expected an integer",
    ),
    ("encoder: local/letters", "encoders: {}", "encoders", "at least one encoder"),
    ("encoder: local/letters\n", "", "encoders", "Expected either 'encoder' or 'encoders'"),
    ("encoder: local/letters", "encoder: {name: local/letters, size: 3}", "encoder.size", "no"),
    ("epochs: 2", "early_stopping: {monitor: validation_los}", "early_stopping.monitor", "did"),
    ("epochs: 2", "keep_best: retrieval_precision", "keep_best", "mean 'retrieval_r_precision'?"),
    ("epochs: 2", "keep_best: true", "keep_best", "Expected a string"),
    ("epochs: 2", "splits: {validation: null}\nkeep_best: validation_loss", "keep_best", "a valid"),
    ("epochs: 2", "early_stopping: {mode: mni}", "early_stopping.mode", "did you mean 'min'?"),
    ("{train: train.csv, validation: val.csv}", "data.csv", "data.files", "{train: data.csv}"),
    ("train: train.csv", "train: trian.csv", "data", "trian.csv"),
    ("obj: text", "object: text", "data.object", "did you mean 'obj'?"),
    ("  obj: text  # what is said\n", "", "data", "obj"),
]


@pytest.mark.parametrize(("old", "new", "place", "words"), IN_A_RECIPE)
def test_a_mistake_in_a_recipe_is_explained(recipe, old, new, place, words):
    with pytest.raises(RecipeError) as caught:
        check_recipe(recipe((old, new)))
    found = {".".join(map(str, fault.place)): fault.message for fault in caught.value.faults}
    assert list(found) == [place]
    assert words in found[place]
