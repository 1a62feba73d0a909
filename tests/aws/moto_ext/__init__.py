"""Operations that moto lacks or gets wrong, one module per service. Importing this package registers them."""
from . import core, ec2, ssm  # noqa: F401
