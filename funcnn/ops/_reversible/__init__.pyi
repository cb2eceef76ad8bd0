from funcnn.ops._reversible._reversible_sequence import (
    reversible_sequence as reversible_sequence,
)
