"""How many examples a property is tried on: few and always the same, or many and new ones.

``HYPOTHESIS_PROFILE=long`` searches. What it finds becomes an explicit example beside the property.
"""

import os

from hypothesis import HealthCheck, Phase, settings

# How long an example takes says more of the machine than of the code.
_ALWAYS = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile(
    "short", max_examples=25, derandomize=True, phases=[Phase.explicit, Phase.generate], **_ALWAYS
)
settings.register_profile("long", max_examples=400, **_ALWAYS)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
