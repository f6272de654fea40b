"""The configuration: round trip through TOML, and every refusal in one line that names what to do."""

import dataclasses

import pytest

from gaugenet.config import AugmentConfig, Config, DataConfig, ModelConfig, TrainConfig
from gaugenet.data.features import FeatureSpec


def test_toml_holds_every_setting(tmp_path):
    config = Config(
        data=DataConfig(path='a "quoted" \\ back\nslash', radius=0.125, seed=7),
        model=ModelConfig(group="D4", nonlinearity="regular", dropout=0.1),
        train=TrainConfig(lr=1e-16, epochs=3, clip=0, tensorboard=True),
    )
    path = tmp_path / "run.toml"
    path.write_text(config.to_toml())
    assert Config.load(path) == config
    assert config != Config()


def test_settings_that_a_file_leaves_out_keep_their_defaults(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("[train]\nlr = 1\n")
    assert Config.load(path) == Config(train=TrainConfig(lr=1.0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[train]\nlearning = 1", ["run.toml", "train.learning"]),
        ("[train]\nepoch = 1", ["run.toml", "'train.epoch'", "did you mean 'train.epochs'?"]),
        ("[train]\nwidth = 1", ["'train.width'", "did you mean 'model.width'?"]),
        ("lr = 1", ["'lr'", "did you mean 'train.lr'?"]),
        ("[trian]\nlr = 1", ["'trian'", "did you mean 'train'?"]),
        ("train = 3", ["run.toml", "write [train]"]),
        ("[train]\nepochs = 2.5", ["train.epochs must be a whole number, got 2.5"]),
        ("[train]\nepochs = true", ["train.epochs must be a whole number, got True"]),
        ("[train]\nlr = '1'", ["train.lr must be a number, got '1'"]),
        ("[train]\nlr = 0.0", ["train.lr must be above 0"]),
        ("[train]\ntensorboard = 1", ["train.tensorboard must be true or false, got 1"]),
        ("[train]\namp = 'fp8'", ["train.amp must be one of 'off', 'bf16', got 'fp8'"]),
        ("[train]\naccumulate = 0", ["train.accumulate must be at least 1"]),
        ("[train]\nschedule = 'sine'", ["train.schedule must be one of 'cosine'"]),
        ("[train]\ndecay = 1.0", ["train.decay must be below 1"]),
        ("[train]\npatience = -1", ["train.patience must be at least 0"]),
        ("[data]\nvalidation = 1.0", ["data.validation must be below 1"]),
        ("[train]\nlr = nan", ["train.lr must be finite"]),
        ("[train]\nepochs = 0", ["train.epochs must be at least 1"]),
        ("[model]\ndropout = 1.0", ["model.dropout must be below 1"]),
        ("[data]\nmode = 'fast'", ["data.mode must be one of 'smooth', 'polyhedral', got 'fast'"]),
        ("[model]\ngroup = 'SO(3)'", ["run.toml", "model.group", "SO(3)", "SO(2)"]),
        ("[train\nlr = 1", ["run.toml is not a TOML file"]),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, text, expected):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as error:
        Config.load(path)
    for part in expected:
        assert part in str(error.value)


def test_binary_files_are_no_configuration(tmp_path):
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not a TOML file"):
        Config.load(path)


def test_overrides_take_the_type_of_the_setting():
    config = Config().override(["train.lr=1e-2", "train.epochs=4", "model.group=O(2)", "data.features=a=b"])
    assert (config.train.lr, config.train.epochs) == (0.01, 4)
    assert (config.model.group, config.data.features) == ("O(2)", "a=b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train.lr", r"expected table.key=value, got 'train.lr'"),
        ("train.epochs=many", "train.epochs must be a whole number, got 'many'"),
        ("train.lrr=1", "did you mean 'train.lr'"),
        ("train.tensorboard=1", "train.tensorboard must be true or false, got '1'"),
        ("=", "unknown key ''"),
        ("train.epochs=-1", "at least 1"),
        ("train.seed=18446744073709551616", "train.seed must be at most 18446744073709551615"),
        ("train.threads=99999999999", "train.threads must be at most 1024"),
    ],
)
def test_a_wrong_override_is_refused(text, expected):
    with pytest.raises(ValueError, match=expected):
        Config().override([text])


def test_the_features_suit_the_group_unless_they_are_named():
    assert "chirality" in Config().resolved().data.features
    for group in ("O(2)", "D4", "reflection"):
        features = Config().override([f"model.group={group}"]).resolved().data.features
        assert FeatureSpec.parse(features)
        # nothing that changes sign with the side of the surface
        assert not any("orientation" in b or "reflection" in b for b in FeatureSpec.parse(features).breaks.values())
    named = Config().override(["data.features=xyz"])
    assert named.resolved() == named


def test_wrong_values_are_refused_in_code_too():
    with pytest.raises(ValueError, match=r"train\.epochs must be at least 1, got 0"):
        Config(train=TrainConfig(epochs=0))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().train.lr = 1.0


def test_every_setting_is_documented():
    for table in (DataConfig, ModelConfig, TrainConfig, AugmentConfig):
        for f in dataclasses.fields(table):
            assert f.metadata["doc"], f.name
