"""create_app: the parts put together, nothing else."""

import gc
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress

import anyio.to_thread
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import configure_mappers
from starlette.middleware import Middleware
from starlette.routing import NoMatchFound

import app.models  # noqa: F401  (relations between rooms resolve by table name)
from app import geography
from app.accounts import language_routes, system_routes
from app.accounts import routes as account_routes
from app.accounts.access import Keys
from app.accounts.models import Role
from app.adjudication import api as adjudication_api
from app.adjudication import item_routes as adjudication_item_routes
from app.adjudication import (
    job_routes,
    message_routes,
    own_work_routes,
    pay_routes,
    policy_api,
    policy_question_routes,
    policy_routes,
    queue_routes,
    watch_routes,
)
from app.adjudication import routes as adjudication_routes
from app.adjudication.agreement import (
    background_routes,
    insider_routes,
    map_routes,
    overview_routes,
    pair_routes,
    where_routes,
)
from app.adjudication.agreement import figure_routes as agreement_figure_routes
from app.adjudication.agreement import item_routes as agreement_item_routes
from app.adjudication.agreement import people_routes as agreement_people_routes
from app.adjudication.agreement import person_routes as agreement_person_routes
from app.adjudication.events import streams_end_with_the_server
from app.db import POOL_OVERFLOW, POOL_SIZE, make_engine
from app.db.connect import database_url
from app.db.schema import require_current_schema
from app.errors import Sentence
from app.evaluation.pages import api as run_api
from app.evaluation.pages import figure_routes, people_routes, standing_routes
from app.evaluation.pages import routes as run_routes
from app.generation import candidate_routes
from app.generation import routes as generation_routes
from app.gold import exam_routes, pool_routes
from app.gold import routes as gold_routes
from app.items import import_routes
from app.items import routes as item_routes
from app.judgments import api as judgment_api
from app.judgments import card_routes, preference_routes
from app.judgments import routes as judgment_routes
from app.releases import api as release_api
from app.releases import routes as release_routes
from app.settings import Settings, get_settings
from app.storage import storage_for
from app.web import i18n, system
from app.web.guard import Guard
from app.web.problems import add_problem_handlers
from app.web.render import NavEntry, compile_templates
from app.web.static import FOLDER, HashedStaticFiles

ANNOTATOR, ADMIN, RESEARCHER = (role.value for role in (Role.ANNOTATOR, Role.ADMIN, Role.RESEARCHER))

NAV = (
    NavEntry(Sentence("Judge"), "judgments:start", frozenset({ANNOTATOR})),
    NavEntry(Sentence("Your work"), "work:mine", frozenset({ANNOTATOR})),
    NavEntry("Campaigns", "adjudication:campaigns", frozenset({ADMIN, RESEARCHER})),
    NavEntry("Releases", "releases:index", frozenset({ADMIN, RESEARCHER})),
    NavEntry("Runs", "evaluation:runs", frozenset({ADMIN, RESEARCHER})),
    NavEntry("People", "accounts:people", frozenset({ADMIN})),
)

ROOMS = (
    system,
    system_routes,
    account_routes,
    language_routes,
    item_routes,
    import_routes,
    judgment_routes,
    card_routes,
    preference_routes,
    judgment_api,
    adjudication_routes,
    queue_routes,
    adjudication_item_routes,
    overview_routes,
    agreement_figure_routes,
    where_routes,
    background_routes,
    insider_routes,
    agreement_people_routes,
    agreement_person_routes,
    pair_routes,
    map_routes,
    agreement_item_routes,
    policy_routes,
    policy_question_routes,
    policy_api,
    job_routes,
    own_work_routes,
    message_routes,
    pay_routes,
    watch_routes,
    adjudication_api,
    gold_routes,
    pool_routes,
    exam_routes,
    generation_routes,
    candidate_routes,
    release_routes,
    release_api,
    standing_routes,  # before a run's own page: “compare” is no run's id
    run_routes,
    figure_routes,
    run_api,
    people_routes,
)


def make_ready(app: FastAPI) -> None:
    """What would else be done for whoever comes first after a start: tables, templates, routes, names of countries,
    words."""
    configure_mappers()
    compile_templates()
    with suppress(NoMatchFound):
        app.url_path_for("")  # FastAPI builds a room's routes when it is first looked through
    geography.name_of("JP")
    for language in i18n.LANGUAGES:
        i18n.catalogue(language)


def keep_for_good() -> None:
    """Takes all there is so far out of the garbage collector's sight: it would look through the modules, routes and
    templates again and again, and requests would wait for a tenth of a second while it does."""
    gc.collect()
    gc.freeze()


def create_app(settings: Settings | None = None, engine: sa.Engine | None = None) -> FastAPI:
    """The application. Without an engine it connects to the database the settings name when it starts."""
    settings = settings or get_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = POOL_SIZE + POOL_OVERFLOW
        with ExitStack() as stack:
            stack.enter_context(streams_end_with_the_server())
            if engine is None:
                app.state.engine = make_engine(stack.enter_context(database_url(settings)))
                stack.callback(app.state.engine.dispose)
                require_current_schema(app.state.engine)
            make_ready(app)
            if engine is None:  # a server of its own process
                keep_for_good()
            yield

    app = FastAPI(
        title="Terroir",
        description="Human verification and evaluation for culture-mixing image benchmarks.",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        middleware=[Middleware(Guard)],
    )
    app.state.settings = settings
    app.state.engine = engine
    app.state.storage = storage_for(settings)
    app.state.keys = Keys(settings)
    app.state.nav = NAV
    add_problem_handlers(app)
    app.mount("/static", HashedStaticFiles(directory=FOLDER), name="static")
    for room in ROOMS:
        app.include_router(room.router)
    return app
