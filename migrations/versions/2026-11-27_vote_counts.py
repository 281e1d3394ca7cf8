"""counts of votes, kept up to date by triggers that say which items changed; rater models and posteriors

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = (
    "item_posterior", "rater_model_fit", "rater_pair", "rater_votes", "vote_pattern", "counted_votes", "tally_state",
    "vote_change",
)

TRIGGERS = """
CREATE FUNCTION note_vote() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO vote_change (campaign_id, item_id) VALUES (NEW.campaign_id, NEW.item_id);
    RETURN NULL;
END $$;
CREATE TRIGGER claim_judged AFTER INSERT ON claim
    FOR EACH ROW WHEN (NEW.state = 'judged') EXECUTE FUNCTION note_vote();
CREATE TRIGGER claim_rejudged AFTER UPDATE ON claim
    FOR EACH ROW WHEN ((OLD.state = 'judged' OR NEW.state = 'judged')
        AND (OLD.state, OLD.slot, OLD.judgment_id, OLD.ended_at)
            IS DISTINCT FROM (NEW.state, NEW.slot, NEW.judgment_id, NEW.ended_at))
    EXECUTE FUNCTION note_vote();
CREATE FUNCTION note_gold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO vote_change (campaign_id, item_id)
    SELECT campaign_id, id FROM item WHERE id IN (NEW.item_id, OLD.item_id);
    RETURN NULL;
END $$;
CREATE TRIGGER gold_changed AFTER INSERT OR UPDATE OR DELETE ON gold
    FOR EACH ROW EXECUTE FUNCTION note_gold();
CREATE FUNCTION note_knowledge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO vote_change (campaign_id, item_id)
    SELECT campaign_id, item_id FROM claim
    WHERE state = 'judged' AND account_id IN (NEW.account_id, OLD.account_id);
    RETURN NULL;
END $$;
CREATE TRIGGER known_country_changed AFTER INSERT OR UPDATE OR DELETE ON known_country
    FOR EACH ROW EXECUTE FUNCTION note_knowledge();
"""


def upgrade() -> None:
    op.create_table('vote_change',
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('item_id', sa.Uuid(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_vote_change'))
    )
    op.create_index('ix_vote_change_campaign', 'vote_change', ['campaign_id', 'id'], unique=False)
    op.create_table('rater_model_fit',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('question', sa.String(length=32), nullable=False),
    sa.Column('version', sa.Uuid(), nullable=False),
    sa.Column('method', sa.String(length=32), nullable=False),
    sa.Column('n_items', sa.Integer(), nullable=False),
    sa.Column('n_judgments', sa.Integer(), nullable=False),
    sa.Column('n_raters', sa.Integer(), nullable=False),
    sa.Column('n_gold', sa.Integer(), nullable=False),
    sa.Column('reason', sa.String(length=32), nullable=True),
    sa.Column('fit', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaign.id'], name=op.f('fk_rater_model_fit_campaign_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rater_model_fit'))
    )
    op.create_index('ix_rater_model_fit_campaign', 'rater_model_fit', ['campaign_id', 'question', 'created_at'], unique=False)
    op.create_table('rater_pair',
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('basis', sa.String(length=8), nullable=False),
    sa.Column('question', sa.String(length=32), nullable=False),
    sa.Column('a', sa.Uuid(), nullable=False),
    sa.Column('b', sa.Uuid(), nullable=False),
    sa.Column('answer_a', sa.String(length=8), nullable=False),
    sa.Column('answer_b', sa.String(length=8), nullable=False),
    sa.Column('n_items', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['a'], ['account.id'], name=op.f('fk_rater_pair_a')),
    sa.ForeignKeyConstraint(['b'], ['account.id'], name=op.f('fk_rater_pair_b')),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaign.id'], name=op.f('fk_rater_pair_campaign_id')),
    sa.PrimaryKeyConstraint('campaign_id', 'basis', 'question', 'a', 'b', 'answer_a', 'answer_b', name=op.f('pk_rater_pair'))
    )
    op.create_index('ix_rater_pair_empty', 'rater_pair', ['campaign_id'], unique=False, postgresql_where=sa.text('n_items = 0'))
    op.create_table('rater_votes',
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('basis', sa.String(length=8), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('part', sa.String(), nullable=False),
    sa.Column('question', sa.String(length=32), nullable=False),
    sa.Column('rater_id', sa.Uuid(), nullable=False),
    sa.Column('answer', sa.String(length=8), nullable=False),
    sa.Column('n_items', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaign.id'], name=op.f('fk_rater_votes_campaign_id')),
    sa.ForeignKeyConstraint(['rater_id'], ['account.id'], name=op.f('fk_rater_votes_rater_id')),
    sa.PrimaryKeyConstraint('campaign_id', 'basis', 'kind', 'part', 'question', 'rater_id', 'answer', name=op.f('pk_rater_votes'))
    )
    op.create_index('ix_rater_votes_empty', 'rater_votes', ['campaign_id'], unique=False, postgresql_where=sa.text('n_items = 0'))
    op.create_table('tally_state',
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Uuid(), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaign.id'], name=op.f('fk_tally_state_campaign_id')),
    sa.PrimaryKeyConstraint('campaign_id', name=op.f('pk_tally_state'))
    )
    op.create_table('vote_pattern',
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('basis', sa.String(length=8), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('part', sa.String(), nullable=False),
    sa.Column('question', sa.String(length=32), nullable=False),
    sa.Column('yes', sa.SmallInteger(), nullable=False),
    sa.Column('no', sa.SmallInteger(), nullable=False),
    sa.Column('unsure', sa.SmallInteger(), nullable=False),
    sa.Column('n_items', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaign.id'], name=op.f('fk_vote_pattern_campaign_id')),
    sa.PrimaryKeyConstraint('campaign_id', 'basis', 'kind', 'part', 'question', 'yes', 'no', 'unsure', name=op.f('pk_vote_pattern'))
    )
    op.create_index('ix_vote_pattern_empty', 'vote_pattern', ['campaign_id'], unique=False, postgresql_where=sa.text('n_items = 0'))
    op.create_table('counted_votes',
    sa.Column('item_id', sa.Uuid(), nullable=False),
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('raters', postgresql.ARRAY(sa.Uuid()), nullable=False),
    sa.Column('answers', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('knows', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('days', postgresql.ARRAY(sa.Date()), nullable=False),
    sa.Column('is_gold', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaign.id'], name=op.f('fk_counted_votes_campaign_id')),
    sa.ForeignKeyConstraint(['item_id'], ['item.id'], name=op.f('fk_counted_votes_item_id')),
    sa.PrimaryKeyConstraint('item_id', name=op.f('pk_counted_votes'))
    )
    op.create_index('ix_counted_votes_campaign', 'counted_votes', ['campaign_id'], unique=False)
    op.create_table('item_posterior',
    sa.Column('item_id', sa.Uuid(), nullable=False),
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('claims', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('doubt', sa.Float(), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaign.id'], name=op.f('fk_item_posterior_campaign_id')),
    sa.ForeignKeyConstraint(['item_id'], ['item.id'], name=op.f('fk_item_posterior_item_id')),
    sa.PrimaryKeyConstraint('item_id', name=op.f('pk_item_posterior'))
    )
    op.create_index('ix_item_posterior_doubt', 'item_posterior', ['campaign_id', 'doubt'], unique=False)
    op.execute(TRIGGERS)
    op.execute(
        "INSERT INTO vote_change (campaign_id, item_id) "
        "SELECT DISTINCT campaign_id, item_id FROM claim WHERE state = 'judged'"
    )


def downgrade() -> None:
    for trigger, table in (
        ("known_country_changed", "known_country"), ("gold_changed", "gold"), ("claim_rejudged", "claim"),
        ("claim_judged", "claim"),
    ):
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
    for function in ("note_knowledge", "note_gold", "note_vote"):
        op.execute(f"DROP FUNCTION {function}")
    for table in TABLES:
        op.drop_table(table)
