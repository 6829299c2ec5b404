"""Native tests of a pair: inputs are made for the original, both sides run on them in isolation, and what they leave
is compared."""

from burnish.verify.trials.bench import Bench
from burnish.verify.trials.given import GivenInput
from burnish.verify.trials.minimise import minimised
from burnish.verify.trials.native import CannotRunError
from burnish.verify.trials.prepared import PreparedOriginal, Trials
from burnish.verify.trials.single import Outcome, replay, run_pair

__all__ = [
    "Bench",
    "CannotRunError",
    "GivenInput",
    "Outcome",
    "PreparedOriginal",
    "Trials",
    "minimised",
    "replay",
    "run_pair",
]
