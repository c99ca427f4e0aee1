"""Folders as people have them, each small: files by name, written from the documentation of the standard library."""

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

Texts = Iterator[str]


def jsonl(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def table(rows, delimiter=","):
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def tickets(count, texts):
    kinds = ("billing", "login", "shipping")
    return [
        {
            "id": n,
            "message": f"Ticket {n}. {next(texts)[:200]}",
            "category": kinds[n % 3],
            "created": f"2024-01-{n % 28 + 1:02}",
        }
        for n in range(count)
    ]


def articles(count, texts):
    return [
        {"id": n, "title": f"Article {n}", "body": next(texts), "published": f"2023-0{n % 9 + 1}-01"}
        for n in range(count)
    ]


def support(texts):
    notes = {f"kb/{n:02}-note.md": f"# Note {n}\n\n{next(texts)}" for n in range(12)}
    return {"tickets.jsonl": jsonl(tickets(90, texts)), "articles.csv": table(articles(200, texts)), **notes}


def many_tables(texts):
    shops = [f"{a}{b}" for a in ("north", "south", "east", "west") for b in ("gate", "field", "wood", "port", "hill")]
    tables = {f"export/{shop}.csv": table([{"when": n, "remark": next(texts)} for n in range(8)]) for shop in shops}
    return {**tables, "wanted.jsonl": jsonl([{"remark": next(texts), "kind": "ab"[n % 2]} for n in range(60)])}


def thesis(texts):
    chapters = {f"thesis/chapter{n}.tex": f"\\section{{Part {n}}}\n{next(texts)}\n" for n in range(40)}
    papers = {f"papers/{n:03}.txt": "\n\n".join(next(texts) for _ in range(12)) for n in range(40)}
    return {**chapters, **papers}


def chat(texts):
    def talk(_):
        return {
            "messages": [{"role": "user", "content": next(texts)[:80]}, {"role": "assistant", "content": next(texts)}]
        }

    return {"export/chats.jsonl": jsonl(map(talk, range(150))), "good-answers.jsonl": jsonl(map(talk, range(20)))}


def chat_export(texts):
    """As an assistant's web page exports it: one list, authors and contents as objects, and a file about the user."""

    def message(role, said):
        return {"author": {"role": role}, "content": {"content_type": "text", "parts": [said]}, "status": "finished"}

    def talk(number):
        said = [message("user", next(texts)[:80]), message("assistant", next(texts))]
        return {"id": f"c{number}", "title": f"Talk {number} of many", "messages": said}

    return {
        "conversations.json": json.dumps([talk(n) for n in range(120)], indent=1),
        "good-conversations.json": json.dumps([talk(n) for n in range(20)]),
        "user.json": json.dumps({"id": "user-1"}),
    }


def chatgpt(texts):
    """Conversations as trees: a node a message, and two answers to a question that was asked again."""

    def talk(number):
        said = {"root": (None, None, None)}
        said |= {"hidden": ("root", "system", ""), "asked": ("hidden", "user", next(texts)[:80])}
        said |= {f"answer{n}": ("asked", "assistant", next(texts)) for n in range(2)}
        nodes = {}
        for at, (name, (parent, role, text)) in enumerate(said.items()):
            content = {"content_type": "text", "parts": [text]}
            message = {"id": name, "author": {"role": role}, "create_time": 1.7e9 + at, "content": content}
            children = [other for other, (above, _, _) in said.items() if above == name]
            nodes[name] = {"id": name, "message": role and message, "parent": parent, "children": children}
        return {"title": f"Talk {number}", "mapping": nodes, "current_node": "answer1", "conversation_id": str(number)}

    return {
        "conversations.json": json.dumps([talk(n) for n in range(100)]),
        "good-conversations.json": json.dumps([talk(n) for n in range(20)]),
        "user.json": json.dumps({"id": "user-1"}),
    }


def telegram(texts):
    """One chat as the desktop application exports it: notices among messages, and text in pieces where it has links."""

    def message(number):
        if number % 10 == 0:
            return {"id": number, "type": "service", "actor": "Ann", "action": "join_group", "text": ""}
        said = ["See ", {"type": "link", "text": "https://example.org"}, f" {next(texts)}"]
        text = said if number % 7 == 0 else next(texts)
        return {"id": number, "type": "message", "from": ["Ann", "Bob"][number % 2], "from_id": "user1", "text": text}

    def chat(count):
        return {"name": "Ann", "type": "personal_chat", "id": 7, "messages": [message(n) for n in range(count)]}

    return {
        "export/result.json": json.dumps(chat(200), indent=1, ensure_ascii=False),
        "wanted/result.json": json.dumps(chat(60), indent=1, ensure_ascii=False),
    }


def titles(texts):
    """Papers named by their titles: words in these, and dots, say nothing of what the files are for."""
    names = ("2017_U.S._trade", "2013_Real_targets", "2015_A_test_of_dev_tools", "2011_The_corpus", "2012_Plain")
    papers = {f"papers/{name}_{n}.txt": "\n\n".join(next(texts) for _ in range(8)) for n in range(3) for name in names}
    chapters = {
        f"chapters/{name}.tex": "\n\n".join(next(texts) for _ in range(6)) for name in ("intro", "method", "end")
    }
    return {**papers, **chapters, "thesis.tex": "\\input{chapters/intro}"}


def alike(texts):
    return {f"{name}.csv": table([{"text": next(texts)} for _ in range(80)]) for name in ("spring", "autumn")}


def alone(texts):
    return {"everything.csv": table([{"text": next(texts)} for _ in range(50)]), "README.md": "What this is."}


def shards(texts):
    def parts(count):
        return pl.DataFrame([{"content": next(texts), "site": "ab"[n % 2]} for n in range(count)])

    made = {f"web/part-{n:05}.parquet": parts(70) for n in range(4)}
    labelled = {
        f"task/sentiment.{split}.tsv": table([{"sentence": next(texts), "label": n % 2} for n in range(40)], "\t")
        for split in ("train", "dev", "test")
    }
    return {**made, **labelled}


def list_of_json(texts):
    rows = [{"text": next(texts), "label": "ab"[n % 2]} for n in range(60)]
    return {
        "labelled.json": json.dumps(rows, indent=1),
        "corpus.csv": table([{"text": next(texts)} for _ in range(90)]),
    }


def late_fault(texts):
    rows = [{"text": next(texts), "topic": "xyz"[n % 3]} for n in range(300)]
    rows[290]["text"] = None
    return {"posts.jsonl": jsonl(rows), "target.jsonl": jsonl([{"text": next(texts)} for _ in range(60)])}


def mixed_depths(texts):
    books = {
        f"data/raw/{name}.txt": "\n\n".join(next(texts) for _ in range(60)) for name in ("moby", "emma", "ulysses")
    }
    prices = {"data/prices.csv": table([{"day": n, "price": n * 1.5} for n in range(50)])}
    labels = {"data/labels.csv": table([{"text": next(texts), "intent": "ab"[n % 2]} for n in range(80)])}
    return {**books, **prices, **labels, "data/.DS_Store": "x", "data/empty.jsonl": ""}


def zipped(texts):
    corpus = gzip.compress(jsonl({"text": next(texts), "lang": "en"} for _ in range(200)).encode())
    return {
        "crawl.jsonl.gz": corpus,
        "faq.csv": table([{"frage": next(texts)[:90], "antwort": next(texts)} for _ in range(60)], ";"),
    }


#: A folder, and what `init` must say of it: the target and its label, or words of its question.
FOLDERS: dict[Callable, tuple[str, str | None] | str] = {
    support: ("tickets.jsonl", "category"),
    many_tables: ("wanted.jsonl", "kind"),
    thesis: ("thesis/*.tex", None),
    chat: ("good-answers.jsonl", None),
    chat_export: ("good-conversations.json", None),
    chatgpt: ("good-conversations.json", None),
    telegram: ("wanted/result.json", None),
    titles: ("chapters/*.tex", None),
    alike: "--target autumn.csv or --target spring.csv",
    alone: "a task needs two things: a target and a candidate pool",
    shards: ("task/sentiment.train.tsv", "label"),
    list_of_json: ("labelled.json", "label"),
    late_fault: ("target.jsonl", None),
    mixed_depths: ("data/labels.csv", "intent"),
    zipped: ("faq.csv", None),
}


def lay(make: Callable, folder: Path, documents: pl.DataFrame) -> None:
    """Write a folder."""
    drawn = documents.sample(fraction=1, shuffle=True, seed=len(make.__name__))["text"].to_list()
    random.Random(0).shuffle(drawn)
    for name, content in make(iter(drawn)).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, "utf-8")
