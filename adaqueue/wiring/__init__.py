"""The composition root: settings in, ready objects out."""

from adaqueue.adapters.vllm_installation import remedy as vllm_remedy
from adaqueue.demo import MODEL_NAME as DEMO_MODEL
from adaqueue.demo.problems import Domain
from adaqueue.demo.queries import demo_queries
from adaqueue.settings import Settings, load_settings
from adaqueue.wiring.borrowed import own_system
from adaqueue.wiring.clients import ClientServices, audited, client_services
from adaqueue.wiring.doctor import Finding, examine
from adaqueue.wiring.system import Manners, is_up, status, take_down, up
from adaqueue.wiring.trainer import TRAINED_DOMAINS, ProbeDesk, probe_desk

__all__ = [
    "DEMO_MODEL",
    "ClientServices",
    "Domain",
    "Finding",
    "Manners",
    "ProbeDesk",
    "Settings",
    "TRAINED_DOMAINS",
    "audited",
    "client_services",
    "demo_queries",
    "examine",
    "is_up",
    "load_settings",
    "own_system",
    "probe_desk",
    "status",
    "take_down",
    "up",
    "vllm_remedy",
]
