"""Functions of nn without state, as torch.nn.functional."""

from tritonnet.nn.functional.activation import *  # noqa: F403
from tritonnet.nn.functional.attention import *  # noqa: F403
from tritonnet.nn.functional.conv import *  # noqa: F403
from tritonnet.nn.functional.distance import *  # noqa: F403
from tritonnet.nn.functional.dropout import *  # noqa: F403
from tritonnet.nn.functional.embedding import *  # noqa: F403
from tritonnet.nn.functional.loss import *  # noqa: F403
from tritonnet.nn.functional.margin import *  # noqa: F403
from tritonnet.nn.functional.norm import *  # noqa: F403
from tritonnet.nn.functional.padding import *  # noqa: F403
from tritonnet.nn.functional.pool import *  # noqa: F403
from tritonnet.nn.functional.resample import *  # noqa: F403
from tritonnet.nn.functional.sampling import *  # noqa: F403
from tritonnet.nn.functional.softmax import *  # noqa: F403
from tritonnet.nn.functional.volume import *  # noqa: F403
