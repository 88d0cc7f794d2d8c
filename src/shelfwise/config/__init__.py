"""Configuration: TOML or JSON files read into typed, frozen models, with `--set a.b=value` on top.

Every model's fields carry their own docstring; `Config` and `ReviewsConfig` are the roots that the learning
verbs take, told apart by `task`. Only the faces (cli, api, ui) read the environment.
"""

from shelfwise.config.ablation import AblateConfig
from shelfwise.config.pictures import (
    AugmentConfig,
    AugmentLevel,
    CatalogConfig,
    ColumnMap,
    Config,
    ModelConfig,
    PreprocessConfig,
    SplitConfig,
    TextConfig,
    UnlikeConfig,
)
from shelfwise.config.products import (
    TAKEN_TARGETS,
    FusionConfig,
    PictureTowerConfig,
    PretrainedConfig,
    ProductsConfig,
    ProductTrainConfig,
    SharedConfig,
    TableConfig,
    TargetConfig,
    TitleTowerConfig,
    ZeroShotConfig,
)
from shelfwise.config.reading import (
    AnyConfig,
    changed,
    load_ablation,
    load_config,
    load_reviews_config,
    load_run,
    parse_config,
    parse_run,
    read_mapping,
)
from shelfwise.config.reviews import (
    AspectsConfig,
    CleanConfig,
    DistillConfig,
    EncoderConfig,
    HeadsConfig,
    ReviewColumns,
    ReviewData,
    ReviewsConfig,
    ReviewTrainConfig,
    TextSplitConfig,
)
from shelfwise.config.section import (
    Section,
)
from shelfwise.config.training import (
    Root,
    TrainConfig,
)
from shelfwise.config.tuning import (
    Range,
    TuneConfig,
)
from shelfwise.config.writing import (
    config_text,
    toml_key,
    toml_value,
)

__all__ = [
    "TAKEN_TARGETS",
    "AblateConfig",
    "AnyConfig",
    "AspectsConfig",
    "AugmentConfig",
    "AugmentLevel",
    "CatalogConfig",
    "CleanConfig",
    "ColumnMap",
    "Config",
    "DistillConfig",
    "EncoderConfig",
    "FusionConfig",
    "HeadsConfig",
    "ModelConfig",
    "PictureTowerConfig",
    "PreprocessConfig",
    "PretrainedConfig",
    "ProductTrainConfig",
    "ProductsConfig",
    "Range",
    "ReviewColumns",
    "ReviewData",
    "ReviewTrainConfig",
    "ReviewsConfig",
    "Root",
    "Section",
    "SharedConfig",
    "SplitConfig",
    "TableConfig",
    "TargetConfig",
    "TextConfig",
    "TextSplitConfig",
    "TitleTowerConfig",
    "TrainConfig",
    "TuneConfig",
    "UnlikeConfig",
    "ZeroShotConfig",
    "changed",
    "config_text",
    "load_ablation",
    "load_config",
    "load_reviews_config",
    "load_run",
    "parse_config",
    "parse_run",
    "read_mapping",
    "toml_key",
    "toml_value",
]
