"""
One of several processes that move the same Django objects: ``django_racers.py SETTINGS SEED THREADS``.

Each thread moves every object by a trigger that ends it, in an order of its own, and the process
prints how many of its moves were made and how many were lost.
"""

import json
import random
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import django_project


def race(seed):
    """
    Return how often each kind of answer was given to one thread.
    """
    from django.db import connection

    from django_jobs.models import Job
    from runstate.django import move

    chance, answers = random.Random(seed), Counter()  # noqa: S311  no secret
    keys = [*Job.objects.values_list("pk", flat=True)]
    # Half of the instances are older than the race, half are read just before their move.
    old = Job.objects.in_bulk(keys)
    chance.shuffle(keys)
    for number, key in enumerate(keys):
        job = old[key] if number % 2 else Job.objects.get(pk=key)
        if job.state != "running":
            answers["seen"] += 1
            continue
        trigger = chance.choice(["succeed", "fail", "cancel"])
        payload = {"error": str(seed)} if trigger == "fail" else {}
        answers[type(move(job, trigger, actor=str(seed), **payload)).__name__] += 1
    connection.close()

    return answers


def main():
    """
    Race, as soon as a line comes in, so that all processes begin together.
    """
    database, seed, threads = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if database["ENGINE"].endswith("mysql"):
        import pymysql

        pymysql.install_as_MySQLdb()
    django_project.configure(database)
    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(threads) as pool:
        answers = sum(pool.map(race, [seed * 100 + each for each in range(threads)]), Counter())
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
