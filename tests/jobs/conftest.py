"""Jobs on the tiny texts, in this process and in others."""

from training_cases import brittle_encoder, calm_encoder, make_job, one_thread, tiny_config  # noqa: F401  fixtures
