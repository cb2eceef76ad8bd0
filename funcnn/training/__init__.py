"""Training: one jitted, donated step, and a plain loop around it."""

from funcnn.training._evaluate import evaluate as evaluate
from funcnn.training._fit import History as History
from funcnn.training._fit import fit as fit
from funcnn.training._metrics import accuracy as accuracy
from funcnn.training._metrics import binary_accuracy as binary_accuracy
from funcnn.training._progress import Progress as Progress
from funcnn.training._step import LossFunction as LossFunction
from funcnn.training._step import TrainState as TrainState
from funcnn.training._step import make_step as make_step
from funcnn.training._step import supervised as supervised
from funcnn.training._weights import WeightsError as WeightsError
from funcnn.training._weights import load_weights as load_weights
from funcnn.training._weights import save_weights as save_weights
