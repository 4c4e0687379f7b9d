"""What every test shares: nothing leaves the machine; default models are found where they are installed."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
for name in [name for name in os.environ if name.startswith("LOREBOT_")]:
    del os.environ[name]
