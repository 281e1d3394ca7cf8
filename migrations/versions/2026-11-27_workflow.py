"""the workflow: pools and exams, lanes of items, candidates, requests for revisions, appeals, messages

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.geography import continent_of

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TRIGGER = """
CREATE FUNCTION note_rejection() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'rejected' THEN
        INSERT INTO revision_request (id, campaign_id, item_id, round, state, detail, opened_at)
        VALUES (gen_random_uuid(), NEW.campaign_id, NEW.id, NEW.revision, 'open', '{}', now())
        ON CONFLICT DO NOTHING;
    ELSE
        UPDATE revision_request SET state = 'withdrawn', closed_at = now() WHERE item_id = NEW.id AND state = 'open';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER item_rejected AFTER UPDATE OF status ON item
    FOR EACH ROW WHEN (OLD.status <> NEW.status AND 'rejected' IN (OLD.status, NEW.status))
    EXECUTE FUNCTION note_rejection();
INSERT INTO revision_request (id, campaign_id, item_id, round, state, detail, opened_at)
    SELECT gen_random_uuid(), campaign_id, id, revision, 'open', '{}', coalesce(decided_at, now())
    FROM item WHERE status = 'rejected'
        AND NOT EXISTS (SELECT 1 FROM item AS later WHERE later.revision_of_id = item.id);
"""


def upgrade() -> None:
    op.create_table(
        "candidate_set",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("chosen_item_id", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("chosen_item_id IS NULL OR decided_at IS NOT NULL", name=op.f("ck_candidate_set_chosen")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_candidate_set_campaign_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["account.id"], name=op.f("fk_candidate_set_decided_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_candidate_set")),
        sa.UniqueConstraint("campaign_id", "key", name=op.f("uq_candidate_set_campaign_id_key")),
    )
    op.create_table(
        "exam",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("kind", sa.Enum("training", "test", name="examkind", native_enum=False, length=32), nullable=False),
        sa.Column("items", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("answers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("has_passed", sa.Boolean(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_exam_account_id")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_exam_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam")),
    )
    op.create_index("ix_exam_of", "exam", ["campaign_id", "account_id", "region"], unique=False)
    op.create_table(
        "message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("from_id", sa.Uuid(), nullable=False),
        sa.Column("to_id", sa.Uuid(), nullable=True),
        sa.Column("campaign_id", sa.Uuid(), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_message_campaign_id")),
        sa.ForeignKeyConstraint(["from_id"], ["account.id"], name=op.f("fk_message_from_id")),
        sa.ForeignKeyConstraint(["to_id"], ["account.id"], name=op.f("fk_message_to_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
    )
    op.create_index("ix_message_to", "message", ["to_id", "created_at"], unique=False)
    op.create_table(
        "pool_member",
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("n_claimed", sa.Integer(), nullable=False),
        sa.Column("is_better_half", sa.Boolean(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_because", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_pool_member_account_id")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_pool_member_campaign_id")),
        sa.PrimaryKeyConstraint("campaign_id", "account_id", name=op.f("pk_pool_member")),
    )
    op.create_table(
        "message_read",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_message_read_account_id")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_message_read_message_id")),
        sa.PrimaryKeyConstraint("message_id", "account_id", name=op.f("pk_message_read")),
    )
    op.create_table(
        "appeal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum("upheld", "overturned", name="appealoutcome", native_enum=False, length=32),
            nullable=True,
        ),
        sa.Column("reply", sa.String(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_appeal_account_id")),
        sa.ForeignKeyConstraint(["answered_by"], ["account.id"], name=op.f("fk_appeal_answered_by")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_appeal_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeal")),
        sa.UniqueConstraint("item_id", "account_id", name=op.f("uq_appeal_item_id_account_id")),
    )
    op.create_index(
        "ix_appeal_open", "appeal", ["item_id"], unique=False, postgresql_where=sa.text("answered_at IS NULL")
    )
    op.create_table(
        "revision_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "open", "working", "answered", "dropped", "withdrawn", name="requeststate", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("engine", sa.String(length=64), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("answer_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["answer_id"], ["item.id"], name=op.f("fk_revision_request_answer_id")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_revision_request_campaign_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_revision_request_item_id")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_revision_request_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revision_request")),
    )
    op.create_index(
        "ix_revision_request_campaign", "revision_request", ["campaign_id", "state", "opened_at"], unique=False
    )
    op.create_index(
        "uq_revision_request_live",
        "revision_request",
        ["item_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('open', 'working')"),
    )
    op.add_column("campaign", sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("claim", sa.Column("is_test", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("claim", sa.Column("is_insider", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("claim", sa.Column("questions", sa.ARRAY(sa.Text()), nullable=True))
    op.create_index("ix_claim_recent", "claim", ["campaign_id", "account_id", "leased_at"], unique=False)
    op.add_column("item", sa.Column("candidate_set_id", sa.Uuid(), nullable=True))
    op.add_column("item", sa.Column("home", sa.String(length=2), nullable=True))
    op.add_column("item", sa.Column("region", sa.String(length=16), nullable=True))
    _say_where_items_are_at_home()
    op.add_column(
        "item",
        sa.Column(
            "hold",
            sa.Enum("candidates", "quota", "training", "test", name="hold", native_enum=False, length=32),
            nullable=True,
        ),
    )
    op.add_column("item", sa.Column("reserved", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("item", sa.Column("late_from", sa.SmallInteger(), server_default="32767", nullable=False))
    op.add_column(
        "item",
        sa.Column(
            "lane",
            sa.Text(),
            sa.Computed(
                "CASE\n    WHEN reserved > 0 AND held + reserved >= wanted THEN 'home ' || home\n    WHEN held >= late_from THEN 'late ' || region\n    ELSE 'any ' || region END",
                persisted=True,
            ),
            nullable=True,
        ),
    )
    op.drop_index(
        op.f("ix_item_claimable"),
        table_name="item",
        postgresql_where="(((status)::text = 'pending'::text) AND (held < wanted))",
    )
    op.create_index(
        "ix_item_claimable",
        "item",
        ["campaign_id", "lane", sa.literal_column("priority DESC"), "held", "shuffle"],
        unique=False,
        postgresql_where=sa.text("status = 'pending' AND held < wanted AND hold IS NULL"),
    )
    op.add_column("item", sa.Column("open_questions", sa.ARRAY(sa.Text()), nullable=True))
    op.create_check_constraint(op.f("ck_item_reserved"), "item", "reserved BETWEEN 0 AND wanted - held")
    op.create_index(
        "ix_item_candidates",
        "item",
        ["candidate_set_id"],
        unique=False,
        postgresql_where=sa.text("candidate_set_id IS NOT NULL"),
    )
    op.create_index(
        "ix_item_revision_of",
        "item",
        ["revision_of_id"],
        unique=False,
        postgresql_where=sa.text("revision_of_id IS NOT NULL"),
    )
    op.create_foreign_key(op.f("fk_item_candidate_set_id"), "item", "candidate_set", ["candidate_set_id"], ["id"])
    op.add_column("policy", sa.Column("note", sa.String(), server_default="", nullable=False))
    op.execute(TRIGGER)


def _say_where_items_are_at_home() -> None:
    connection = op.get_bind()
    op.execute(
        "UPDATE item SET home = item_food.countries[1] FROM item_food WHERE item_food.item_id = item.id AND slot = 1"
    )
    for home in connection.scalars(sa.text("SELECT DISTINCT home FROM item WHERE home IS NOT NULL")).all():
        connection.execute(
            sa.text("UPDATE item SET region = :region WHERE home = :home"),
            {"region": continent_of(home), "home": home},
        )
    # Checks of deferred constraints that the updates left would else refuse the next change of the table.
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    op.alter_column("item", "home", nullable=False)
    op.alter_column("item", "region", nullable=False)


def downgrade() -> None:
    op.execute("DROP TRIGGER item_rejected ON item")
    op.execute("DROP FUNCTION note_rejection")
    op.drop_column("policy", "note")
    op.drop_constraint(op.f("fk_item_candidate_set_id"), "item", type_="foreignkey")
    op.drop_index("ix_item_revision_of", table_name="item", postgresql_where=sa.text("revision_of_id IS NOT NULL"))
    op.drop_index("ix_item_candidates", table_name="item", postgresql_where=sa.text("candidate_set_id IS NOT NULL"))
    op.drop_index(
        "ix_item_claimable",
        table_name="item",
        postgresql_where=sa.text("status = 'pending' AND held < wanted AND hold IS NULL"),
    )
    op.create_index(
        op.f("ix_item_claimable"),
        "item",
        ["campaign_id", sa.literal_column("priority DESC"), "held", "shuffle"],
        unique=False,
        postgresql_where="(((status)::text = 'pending'::text) AND (held < wanted))",
    )
    op.drop_column("item", "open_questions")
    op.drop_column("item", "lane")
    op.drop_column("item", "late_from")
    op.drop_constraint(op.f("ck_item_reserved"), "item", type_="check")
    op.drop_column("item", "reserved")
    op.drop_column("item", "hold")
    op.drop_column("item", "region")
    op.drop_column("item", "home")
    op.drop_column("item", "candidate_set_id")
    op.drop_index("ix_claim_recent", table_name="claim")
    op.drop_column("claim", "questions")
    op.drop_column("claim", "is_insider")
    op.drop_column("claim", "is_test")
    op.drop_column("campaign", "priority")
    op.drop_index(
        "uq_revision_request_live",
        table_name="revision_request",
        postgresql_where=sa.text("state IN ('open', 'working')"),
    )
    op.drop_index("ix_revision_request_campaign", table_name="revision_request")
    op.drop_table("revision_request")
    op.drop_index("ix_appeal_open", table_name="appeal", postgresql_where=sa.text("answered_at IS NULL"))
    op.drop_table("appeal")
    op.drop_table("message_read")
    op.drop_table("pool_member")
    op.drop_index("ix_message_to", table_name="message")
    op.drop_table("message")
    op.drop_index("ix_exam_of", table_name="exam")
    op.drop_table("exam")
    op.drop_table("candidate_set")
