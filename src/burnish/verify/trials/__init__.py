"""Native tests of a pair: inputs are made for the original, both sides run on them in isolation, and what they leave
is compared."""

from burnish.verify.trials.bench import Bench
from burnish.verify.trials.coverage import Reach, Reaches
from burnish.verify.trials.given import GivenInput
from burnish.verify.trials.minimise import minimised
from burnish.verify.trials.native import CannotRunError
from burnish.verify.trials.prepared import PreparedOriginal, Trials
from burnish.verify.trials.run import replay_model, run_model, run_trials
from burnish.verify.trials.single import GivenTest, Outcome, replay, run_pair
from burnish.verify.trials.store import TestStore

__all__ = [
    "Bench",
    "CannotRunError",
    "GivenInput",
    "GivenTest",
    "Outcome",
    "PreparedOriginal",
    "Reach",
    "Reaches",
    "TestStore",
    "Trials",
    "minimised",
    "replay",
    "replay_model",
    "run_model",
    "run_pair",
    "run_trials",
]
