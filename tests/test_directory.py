"""directory.py: a table as staff keep it, in; what would change, out."""

import pytest

from bluewhale.ledger import attribute, directory
from bluewhale.ledger.directory import Fault, Row

ENGLISH = "Extension,Person,Department,Site,Enterprise\n201,Ann,Sales,main,default\n"


def test_english_headings_in_any_order():
    rows, faults = directory.read(b"department,EXTENSION , person\nSales, 201 ,Ann\n")
    assert (rows, faults) == ([Row("201", "Ann", "Sales", line=2)], [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_chinese_headings_in_every_encoding(encoding, mark, ending):
    lines = ["分机,姓名,部门,站点,企业", "201,张伟,销售部,总部,蓝鲸", "", ",,,,", "0202,李娜,研发部,,"]
    text = ending.join(lines).replace(",", mark)
    rows, faults = directory.read(text.encode(encoding))
    assert faults == []
    assert rows == [Row("201", "张伟", "销售部", "总部", "蓝鲸", 2), Row("0202", "李娜", "研发部", "", "", 5)]


def test_quotes_and_missing_cells():
    rows, faults = directory.read(
        b'extension,person,department\n201,"Smith, Ann"\n202,"Bob ""B"" Lee",Lab,\n'
    )
    assert faults == []
    assert rows == [Row("201", "Smith, Ann", "", line=2), Row("202", 'Bob "B" Lee', "Lab", line=3)]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", [Fault(1, "the table is empty")]),
        ("201,Ann\n", [
            Fault(1, 'no heading "extension" (分机): the first line names the columns'),
            Fault(1, 'unknown heading "201"'), Fault(1, 'unknown heading "Ann"'),
        ]),
        ("extension,colour\n1,red\n", [Fault(1, 'unknown heading "colour"')]),
        ("extension,ext\n1,1\n", [Fault(1, 'the heading "extension" stands twice')]),
        ("extension,person\n\n,Ann\n", [Fault(3, 'not an extension: ""')]),
        ("extension\n2 01\n", [Fault(2, 'not an extension: "2 01"')]),
        ("extension\n1,2\n", [Fault(2, "2 cells under 1 headings")]),
        ("extension\n201\n202\n201\n", [Fault(4, 'extension "201" stands in line 2 too')]),
        ("extension\n" + "1" * 33 + "\n", [Fault(2, "extension: longer than 32 characters, or with control characters")]),
        ('extension,person\n1,"a\nb"\n2,x\n', [Fault(2, "person: longer than 200 characters, or with control characters")]),
        ('extension,person\n1,"never closed\n2,x\n', [Fault(2, "not CSV: unexpected end of data")]),
    ],
)  # fmt: skip
def test_faults_have_lines(text, faults):
    assert directory.read(text.encode())[1] == faults


def test_a_faulty_row_does_not_stop_the_others():
    rows, faults = directory.read(b"extension\n\xd5\xc5\n,\n1\n")  # GB18030 bytes as an extension are fine
    assert [row.extension for row in rows] == ["张", "1"] and faults == []
    rows, faults = directory.read(b"extension,person\n1,a\n,b\n3,c\n")
    assert [row.line for row in rows] == [2, 4] and [fault.line for fault in faults] == [3]


def test_text_in_no_known_encoding():
    assert directory.read(b"extension\n\xff\xff\xff\n") == ([], [Fault(2, "neither UTF-8 nor GB18030 text")])


def book_with(*rows):
    book = attribute.apply(attribute.new_book(), "site", "north", {"enterprise": "Acme"})
    return attribute.apply(book, "directory", "extensions", {"set": list(rows)})


ANN = {"extension": "201", "person": "Ann", "department": "Sales"}
BOB = {"extension": "202", "person": "Bob", "department": "Lab"}
CY = {"extension": "201", "site": "north", "person": "Cy"}


def test_diff_and_change_hold_only_what_differs():
    book = book_with(ANN, BOB, CY)
    rows, _ = directory.read(b"extension,person,department\n201,Ann,Sales\n202,Bob,Sales\n203,Dee,\n")
    preview = directory.diff(book, rows)
    assert preview.same == 1 and preview.faults == []
    assert preview.new == [Row("203", "Dee", "", "main", "default", 4)]
    assert [(c.before.department, c.after.department) for c in preview.changed] == [("Lab", "Sales")]
    assert preview.removed == [], "the table says nothing about north"
    assert directory.change(preview) == {
        "set": [
            {"extension": "203", "person": "Dee", "site": "main", "enterprise": "default"},
            {
                "extension": "202",
                "person": "Bob",
                "department": "Sales",
                "site": "main",
                "enterprise": "default",
            },
        ],
        "remove": [],
    }


def test_removed_is_what_the_tables_sites_no_longer_have():
    book = book_with(ANN, BOB, CY)
    rows, _ = directory.read(ENGLISH.encode())
    preview = directory.diff(book, rows)
    assert [(row.site, row.extension) for row in preview.removed] == [("main", "202")]
    assert directory.change(preview)["remove"] == []
    assert directory.change(preview, remove=True)["remove"] == [{"site": "main", "extension": "202"}]


def test_a_column_that_is_not_there_changes_nothing_an_empty_cell_does():
    book = book_with(ANN)
    assert directory.diff(book, directory.read(b"extension\n201\n")[0]).same == 1
    blank = directory.diff(book, directory.read(b"extension,department\n201,\n")[0])
    assert [(c.after.person, c.after.department) for c in blank.changed] == [("Ann", "")]


def test_sites():
    book = book_with(CY)
    rows, _ = directory.read(b"extension,site\n201,north\n202,\n203,moon\n")
    preview = directory.diff(book, rows, site="main")
    assert preview.faults == [Fault(4, 'no site "moon"')]
    assert [(row.site, row.enterprise) for row in preview.new] == [("main", "default")] and preview.same == 1
    same_place, _ = directory.read(b"extension,site\n201,main\n201,\n")
    assert directory.diff(book, same_place).faults == [Fault(3, 'extension "201" stands in line 2 too')]


def test_round_trip_through_the_book():
    book = book_with(ANN, BOB, CY)
    text = directory.to_csv(book)
    rows, faults = directory.read(text.encode("utf-8-sig"))
    assert faults == [] and directory.diff(book, rows).same == 3
    empty = attribute.apply(attribute.new_book(), "site", "north", {"enterprise": "Acme"})
    change = directory.change(directory.diff(empty, rows))
    assert directory.to_csv(attribute.apply(empty, "directory", "extensions", change)) == text


def test_a_hundred_thousand_rows():
    text = "extension,person,department\n" + "".join(f"{n},P{n},D{n % 50}\n" for n in range(100_000))
    rows, faults = directory.read(text.encode())
    book = attribute.new_book()
    book = attribute.apply(book, "directory", "extensions", directory.change(directory.diff(book, rows)))
    assert len(book.directory) == 100_000 and len(book.departments) == 50 and faults == []
