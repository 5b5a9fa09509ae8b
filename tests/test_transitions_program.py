"""
A program that has a ``transitions`` machine, and gains the rest by two lines.
"""

import difflib
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from runstate import Engine, IllegalTransitionError, check
from runstate.diagrams import draw
from runstate.store import Applied, Illegal, Superseded, apply_move, guard

PAGE = Path(__file__).parent.parent / "docs" / "migrate" / "transitions.md"

BEFORE = """\
from transitions import Machine


class Order:
    def __init__(self):
        self.machine = Machine(
            self, ["cart", "paid", "shipped", "delivered", "cancelled"], initial="cart",
            transitions=[["pay", "cart", "paid"],
                         ["ship", "paid", "shipped"],
                         ["deliver", "shipped", "delivered"],
                         ["cancel", ["cart", "paid"], "cancelled"]])


order = Order()
order.pay()
order.ship()
print(order.state, order.may_cancel())  # prints shipped False
"""


def after() -> str:
    """
    Return the program as the site shows it, with the lines that it gains.
    """
    (shown,) = re.findall(
        r"^```python\n(from transitions .*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )

    return shown


@pytest.fixture
def program():
    """
    Run the program that the site shows, and return its names.
    """
    names: dict[str, object] = {}
    exec(compile(after(), "order.py", "exec"), names)  # noqa: S102  our own text

    return names


@pytest.fixture
def database():
    """
    Make the table that such a program may have, with one order in it, and return both.
    """
    orders = sa.Table("orders", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
                      sa.Column("state", sa.Text))  # fmt: skip
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        orders.create(connection)
        connection.execute(orders.insert().values(id=1, state="paid"))
        yield connection, orders
    engine.dispose()


def test_program_prints_what_it_printed(capsys):
    """
    A dozen lines, before and after.
    """
    exec(compile(BEFORE, "before.py", "exec"), {})  # noqa: S102  our own text
    before = capsys.readouterr().out
    exec(compile(after(), "after.py", "exec"), {})  # noqa: S102  our own text

    assert ("shipped False\n", before) == (before, capsys.readouterr().out)
    assert 13 == len([line for line in BEFORE.splitlines() if line.strip()])


def test_two_lines_are_all_that_it_gains():
    """
    An import, and the lifecycle of its machine.
    """
    changes = [
        line for line in difflib.ndiff(BEFORE.splitlines(), after().splitlines())
        if line[:1] in "+-" and line[2:].strip()
    ]  # fmt: skip

    assert ["+ from runstate import Lifecycle", "+ ORDER = Lifecycle.from_machine("] == [
        re.split(r"Order\(\)|  +#", line)[0] for line in changes
    ]


def test_it_gains_the_checker(program):
    """
    With the program's own words, and its objects for snapshots.
    """
    report = check(["cart", "paid", "delivered", "cart"], program["ORDER"])

    assert ["paid -> delivered: no such move", "delivered -> cart: delivered is terminal"] == [
        finding.message for finding in report.findings
    ]
    assert check([{"id": 1, "state": "cart"}, {"id": 1, "state": "paid"}], program["ORDER"]).ok


def test_it_gains_the_pictures(program):
    """
    Every move of the machine is on them.
    """
    drawn = draw(program["ORDER"], "mermaid").decode()

    assert 5 == len(re.findall(r"\|\"(?:pay|ship|deliver|cancel)\"\|", drawn))


def test_it_gains_the_engine(program):
    """
    Its objects move under the same table, and keep what else they are.
    """
    order = program["Order"]()
    engine = Engine(program["ORDER"])
    engine.fire(order, "pay")

    assert ("paid", True) == (order.state, order.is_paid())
    with pytest.raises(IllegalTransitionError):
        engine.fire(order, "deliver")
    order.ship()
    assert ("deliver",) == engine.allowed(order)


def test_it_gains_the_store(program, database):
    """
    One winner a move, in a table and a transaction of its own.
    """
    connection, orders = database
    lifecycle = program["ORDER"]

    assert "orders.state IN ('cart', 'paid')" == str(
        guard(orders.c.state, "cancel", lifecycle=lifecycle).compile(
            compile_kwargs={"literal_binds": True}
        )
    )
    verdicts = [
        apply_move(connection, orders, 1, trigger, lifecycle=lifecycle)
        for trigger in ("ship", "cancel", "deliver", "ship")
    ]
    assert [Applied, Illegal, Applied, Superseded] == [type(verdict) for verdict in verdicts]
    assert "delivered" == connection.execute(sa.select(orders.c.state)).scalar_one()
