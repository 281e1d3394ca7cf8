"""runs in full: how each is made, what it costs, who asks again, and its scores

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

JSON = postgresql.JSONB(astext_type=sa.Text())
# Columns that rows already there must have: filled by a default, which then goes.
FILLED = (
    ("prediction", "is_cached", sa.Boolean(), "false"),
    ("run", "seed", sa.Integer(), "0"),
    ("run", "setup", JSON, "{}"),
    ("run", "subset", JSON, "{}"),
    ("run", "prices", JSON, "{}"),
)


def upgrade() -> None:
    op.create_table(
        "run_score",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("scorer", sa.String(length=64), nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_run_score_run_id")),
        sa.PrimaryKeyConstraint("run_id", "scorer", name=op.f("pk_run_score")),
    )
    for table, name, type_, default in FILLED:
        op.add_column(table, sa.Column(name, type_, nullable=False, server_default=default))
        op.alter_column(table, name, server_default=None)
    op.add_column("prediction", sa.Column("finish", sa.String(length=8), nullable=True))
    op.add_column("prediction", sa.Column("request_sha256", sa.String(length=64), nullable=True))
    op.add_column("prediction", sa.Column("gpu_ms", sa.Integer(), nullable=True))
    op.create_index(op.f("ix_prediction_item_id"), "prediction", ["item_id"], unique=False)
    op.create_index(
        "ix_prediction_request_sha256",
        "prediction",
        ["request_sha256"],
        unique=False,
        postgresql_where=sa.text("request_sha256 IS NOT NULL"),
    )
    op.add_column("run", sa.Column("provenance", JSON, nullable=True))
    op.add_column("run", sa.Column("source", JSON, nullable=True))
    op.add_column("run", sa.Column("error", sa.String(), nullable=True))
    op.add_column("run", sa.Column("budget_usd", sa.Float(), nullable=True))
    op.add_column("run", sa.Column("started_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f("ck_run_budget_usd"), "run", "budget_usd > 0")
    op.alter_column("run", "spec", existing_type=JSON, nullable=True)
    op.alter_column("run", "spec_sha256", existing_type=sa.String(length=64), nullable=True)
    op.execute("UPDATE run SET spec = NULL, spec_sha256 = NULL WHERE spec_sha256 = ''")  # as a downgrade left them
    op.drop_index(op.f("ix_run_spec_sha256"), table_name="run")
    op.create_index(
        "uq_run_spec_sha256", "run", ["spec_sha256"], unique=True, postgresql_where=sa.text("NOT is_imported")
    )


def downgrade() -> None:
    op.drop_index("uq_run_spec_sha256", table_name="run", postgresql_where=sa.text("NOT is_imported"))
    op.create_index(op.f("ix_run_spec_sha256"), "run", ["spec_sha256"], unique=False)
    op.execute("UPDATE run SET spec = '{}', spec_sha256 = '' WHERE spec IS NULL")
    op.alter_column("run", "spec_sha256", existing_type=sa.String(length=64), nullable=False)
    op.alter_column("run", "spec", existing_type=JSON, nullable=False)
    op.drop_constraint(op.f("ck_run_budget_usd"), "run", type_="check")
    for name in ("started_at", "budget_usd", "error", "source", "provenance", "prices", "subset", "setup", "seed"):
        op.drop_column("run", name)
    op.drop_index(
        "ix_prediction_request_sha256",
        table_name="prediction",
        postgresql_where=sa.text("request_sha256 IS NOT NULL"),
    )
    op.drop_index(op.f("ix_prediction_item_id"), table_name="prediction")
    for name in ("gpu_ms", "is_cached", "request_sha256", "finish"):
        op.drop_column("prediction", name)
    op.drop_table("run_score")
