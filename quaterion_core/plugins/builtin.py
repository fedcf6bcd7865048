"""Core's own components, declared through the same hooks as those of plugins."""

from __future__ import annotations

from quaterion_core.plugins.hooks import API_VERSION, hookimpl
from quaterion_core.plugins.records import Component

quaterion_api = API_VERSION


@hookimpl
def quaterion_encoders() -> dict[str, str]:
    """Declare core's encoders."""
    package = "quaterion_core.encoders"
    return {
        "openai-compatible": f"{package}.openai_compatible_encoder:OpenAICompatibleEncoder",
        "precomputed": f"{package}.precomputed_encoder:PrecomputedEncoder",
        "text-and-image": f"{package}.text_and_image_encoder:TextAndImageEncoder",
    }


@hookimpl
def quaterion_heads() -> dict[str, str]:
    """Declare core's heads."""
    return {
        "gated": "quaterion_core.heads.gated_head:GatedHead",
        "hubness-reduction": "quaterion_core.heads.hubness_reduction_head:HubnessReductionHead",
        "identity": "quaterion_core.heads.empty_head:EmptyHead",
        "linear-projection": "quaterion_core.heads.linear_projection_head:LinearProjectionHead",
        "query-and-document": ("quaterion_core.heads.query_and_document_head:QueryAndDocumentHead"),
        "sequential": "quaterion_core.heads.sequential_head:SequentialHead",
        "skip-connection": "quaterion_core.heads.skip_connection_head:SkipConnectionHead",
        "softmax-embeddings": "quaterion_core.heads.softmax_head:SoftmaxEmbeddingsHead",
        "stacked-projection": "quaterion_core.heads.stacked_projection_head:StackedProjectionHead",
        "switch": "quaterion_core.heads.switch_head:SwitchHead",
        "widening": "quaterion_core.heads.widening_head:WideningHead",
    }


@hookimpl
def quaterion_losses() -> dict[str, str | Component]:
    """Declare core's losses."""
    return {
        "arcface": "quaterion_core.loss.arcface_loss:ArcFaceLoss",
        "batch-hard-triplet": "quaterion_core.loss.batch_hard_triplet_loss:BatchHardTripletLoss",
        "center": "quaterion_core.loss.center_loss:CenterLoss",
        "circle": "quaterion_core.loss.circle_loss:CircleLoss",
        "contrastive": "quaterion_core.loss.contrastive_loss:ContrastiveLoss",
        "cosface": "quaterion_core.loss.cos_face_loss:CosFaceLoss",
        "fastap": "quaterion_core.loss.fast_ap_loss:FastAPLoss",
        "hard-pair-contrastive": (
            "quaterion_core.loss.hard_pair_contrastive_loss:HardPairContrastiveLoss"
        ),
        "matryoshka": "quaterion_core.loss.matryoshka_loss:MatryoshkaLoss",
        "multi-similarity": Component(
            "quaterion_core.loss.multi_similarity_loss:MultiSimilarityLoss",
            former_ids=("quaterion-cv/multi-similarity",),
        ),
        "multiple-negatives-ranking": (
            "quaterion_core.loss.multiple_negatives_ranking_loss:MultipleNegativesRankingLoss"
        ),
        "nt-xent": Component(
            "quaterion_core.loss.nt_xent_loss:NTXentLoss", former_ids=("quaterion-cv/nt-xent",)
        ),
        "online-contrastive": "quaterion_core.loss.online_contrastive_loss:OnlineContrastiveLoss",
        "proxy-anchor": Component(
            "quaterion_core.loss.proxy_anchor_loss:ProxyAnchorLoss",
            former_ids=("quaterion-cv/proxy-anchor",),
        ),
        "softmax": "quaterion_core.loss.softmax_loss:SoftmaxLoss",
        "supcon": Component(
            "quaterion_core.loss.sup_con_loss:SupConLoss", former_ids=("quaterion-cv/supcon",)
        ),
        "triplet": "quaterion_core.loss.triplet_loss:TripletLoss",
    }


@hookimpl
def quaterion_metrics() -> dict[str, str | Component]:
    """Declare core's metrics."""
    return {
        "hit-rate": "quaterion_core.eval.retrieval_metrics.hit_rate:HitRate",
        "knn-accuracy": "quaterion_core.eval.group.knn_accuracy:KNNAccuracy",
        "map": "quaterion_core.eval.retrieval_metrics.average_precision:MeanAveragePrecision",
        "map-at-r": Component(
            "quaterion_core.eval.group.map_at_r:MapAtR", former_ids=("quaterion-cv/map-at-r",)
        ),
        "mrr": "quaterion_core.eval.retrieval_metrics.reciprocal_rank:MeanReciprocalRank",
        "ndcg": "quaterion_core.eval.retrieval_metrics.ndcg:NDCG",
        "pair-accuracy": "quaterion_core.eval.verification.best_threshold:PairAccuracy",
        "pair-average-precision": (
            "quaterion_core.eval.verification.average_precision:PairAveragePrecision"
        ),
        "pair-f1": "quaterion_core.eval.verification.best_threshold:PairF1",
        "pair-mcc": "quaterion_core.eval.verification.best_threshold:PairMCC",
        "pair-roc-auc": Component(
            "quaterion_core.eval.verification.roc_auc:PairRocAuc",
            former_ids=("quaterion-cv/pair-roc-auc",),
        ),
        "pair-tar-at-far": Component(
            "quaterion_core.eval.verification.tar_at_far:PairTarAtFar",
            former_ids=("quaterion-cv/pair-tar-at-far",),
        ),
        "pearson": Component(
            "quaterion_core.eval.pair.pearson_correlation:PearsonCorrelation",
            former_ids=("quaterion-nlp/pearson",),
        ),
        "precision": "quaterion_core.eval.retrieval_metrics.precision:Precision",
        "recall": "quaterion_core.eval.retrieval_metrics.recall:Recall",
        "recall-at-k": Component(
            "quaterion_core.eval.group.recall_at_k:RecallAtK",
            former_ids=("quaterion-cv/recall-at-k",),
        ),
        "retrieval-precision": "quaterion_core.eval.pair.retrieval_precision:RetrievalPrecision",
        "retrieval-r-precision": (
            "quaterion_core.eval.group.retrieval_r_precision:RetrievalRPrecision"
        ),
        "retrieval-reciprocal-rank": (
            "quaterion_core.eval.pair.retrieval_reciprocal_rank:RetrievalReciprocalRank"
        ),
        "roc-auc": Component(
            "quaterion_core.eval.verification.roc_auc:RocAuc",
            former_ids=("quaterion-cv/roc-auc",),
        ),
        "spearman": Component(
            "quaterion_core.eval.pair.spearman_correlation:SpearmanCorrelation",
            former_ids=("quaterion-nlp/spearman",),
        ),
        "tar-at-far": Component(
            "quaterion_core.eval.verification.tar_at_far:TarAtFar",
            former_ids=("quaterion-cv/tar-at-far",),
        ),
        "triplet-accuracy": "quaterion_core.eval.pair.triplet_accuracy:TripletAccuracy",
    }


@hookimpl
def quaterion_datasets() -> dict[str, str | Component]:
    """Declare core's readers of files."""
    return {
        "beir": "quaterion_core.dataset.beir_dataset:BeirDataset",
        "csv": "quaterion_core.dataset.readers:CsvDataset",
        "excel": Component("quaterion_core.dataset.readers:ExcelDataset", extra="excel"),
        "hugging-face": Component(
            "quaterion_core.dataset.hugging_face_dataset:HuggingFaceDataset", extra="hugging-face"
        ),
        "jsonl": "quaterion_core.dataset.readers:JsonLinesDataset",
        "parquet": Component("quaterion_core.dataset.readers:ParquetDataset", extra="parquet"),
        "queries-and-documents": (
            "quaterion_core.dataset.queries_and_documents:QueriesAndDocuments"
        ),
    }


@hookimpl
def quaterion_optimizers() -> dict[str, str]:
    """Declare PyTorch's optimizers."""
    return {
        "adagrad": "torch.optim.adagrad:Adagrad",
        "adam": "torch.optim.adam:Adam",
        "adamw": "torch.optim.adamw:AdamW",
        "rmsprop": "torch.optim.rmsprop:RMSprop",
        "sgd": "torch.optim.sgd:SGD",
    }


@hookimpl
def quaterion_schedules() -> dict[str, str]:
    """Declare core's schedules."""
    return {
        "constant": "quaterion_core.train.schedules:ConstantDecay",
        "cosine": "quaterion_core.train.schedules:CosineDecay",
        "linear": "quaterion_core.train.schedules:LinearDecay",
    }


@hookimpl
def quaterion_batch_samplers() -> dict[str, str]:
    """Declare core's batch samplers."""
    package = "quaterion_core.dataset.batch_samplers"
    return {
        "groups": f"{package}.group_batch_sampler:GroupBatchSampler",
        "no-duplicates": f"{package}.no_duplicates_batch_sampler:NoDuplicatesBatchSampler",
    }


@hookimpl
def quaterion_callbacks() -> dict[str, str]:
    """Declare Lightning's callbacks."""
    package = "pytorch_lightning.callbacks"
    return {
        "device-stats-monitor": f"{package}.device_stats_monitor:DeviceStatsMonitor",
        "early-stopping": f"{package}.early_stopping:EarlyStopping",
        "learning-rate-monitor": f"{package}.lr_monitor:LearningRateMonitor",
        "model-checkpoint": f"{package}.model_checkpoint:ModelCheckpoint",
        "model-summary": f"{package}.model_summary:ModelSummary",
        "timer": f"{package}.timer:Timer",
    }


@hookimpl
def quaterion_loggers() -> dict[str, str | Component]:
    """Declare Lightning's loggers."""
    package = "quaterion_core.train.loggers"
    return {
        "csv": "pytorch_lightning.loggers.csv_logs:CSVLogger",
        "mlflow": Component(f"{package}.mlflow_logger:MLFlowLogger", extra="mlflow"),
        "tensorboard": Component(
            f"{package}.tensorboard_logger:TensorBoardLogger", extra="tensorboard"
        ),
        "wandb": Component(f"{package}.wandb_logger:WandbLogger", extra="wandb"),
    }


@hookimpl
def quaterion_stores() -> dict[str, str | Component]:
    """Declare the store that needs no other package."""
    return {"exact": "quaterion_core.serving.stores.exact_store:ExactStore"}


@hookimpl
def quaterion_commands() -> dict[str, Component]:
    """Declare core's subcommands of ``quaterion``."""
    package = "quaterion_core.cli"
    return {
        "components": Component(
            f"{package}.components:components",
            summary="List what is installed, and the arguments that it takes.",
        ),
        "compare": Component(
            f"{package}.compare:compare", summary="Compare two models over the same queries."
        ),
        "encode": Component(
            f"{package}.encode:encode", summary="Embed objects into a NumPy or Parquet file."
        ),
        "evaluate": Component(
            f"{package}.evaluate:evaluate", summary="Compute the metrics of a saved model."
        ),
        "fit": Component(
            f"{package}.fit:fit", summary="Train a model as a recipe says, and save it."
        ),
        "index": Component(
            f"{package}.index:index", summary="Embed a corpus once, to be searched."
        ),
        "new-plugin": Component(
            f"{package}.new_plugin:new_plugin",
            summary="Write a package with components of your own.",
        ),
        "plugins": Component(
            f"{package}.plugins:plugins",
            summary="List the installed plugins and what they bring.",
        ),
        "search": Component(
            f"{package}.search:search", summary="Find the objects nearest to a query."
        ),
    }
