"""The checker: is a hand-written derivative right?"""

from funcnn.gradients.checker._audit import audit as audit
from funcnn.gradients.checker._check import check as check
from funcnn.gradients.checker._rows import AuditRow as AuditRow
