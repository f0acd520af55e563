# SPDX-License-Identifier: Apache-2.0
"""Many updates of one model: what the daemon holds in memory and on the disk is bounded by its settings, not by how
much it has been taught. Measured after a fifth, and at the end."""
import http.client
import json
import tempfile
import threading

CLIENTS = 8
CONFIG = {"training": {"learning_rate": 0.001, "optimiser": "momentum", "checkpoint_updates": 128, "keep_updates": 256}}
RSS_GROWTH_KIB = 8 << 10
DISK_GROWTH_BYTES = 4 << 20


def disk_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def ask(connection, body):
    connection.request("POST", "/v2/models/digits/finetune", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def teach(port, bodies, first, count, complaints):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for number in range(first, first + count):
        body = bodies[number % len(bodies)]
        try:
            status, text = ask(connection, body)
        except (OSError, http.client.HTTPException):    # kept alive for too long
            connection.close()
            status, text = ask(connection, body)
        if status != 200:
            complaints.append(f"update {number}: {status} {text[:200]}")
            break
    connection.close()


def teach_all(port, bodies, count, complaints):
    each = -(-count // CLIENTS)
    threads = [threading.Thread(target=teach, args=(port, bodies, k * each, each, complaints)) for k in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def trial(make_victim, bodies, updates):
    """(name, outcome) of each check."""
    complaints = []
    with tempfile.TemporaryDirectory() as folder:
        victim = make_victim(folder)
        (victim.folder / "models/digits/config.json").write_text(json.dumps(CONFIG))
        victim.kill()
        victim.start()
        teach_all(victim.daemon.port, bodies, updates // 5, complaints)
        rss, disk = victim.daemon.resident_kib(), disk_bytes(victim.state)
        teach_all(victim.daemon.port, bodies, updates - updates // 5, complaints)
        rss_end, disk_end = victim.daemon.resident_kib(), disk_bytes(victim.state)
        victim.daemon.stop()
    print(f"   {updates} updates: resident {rss} KiB after a fifth, {rss_end} at the end; on the disk {disk >> 10} and "
          f"{disk_end >> 10} KiB", flush=True)
    for complaint in complaints[:3]:
        print("   " + complaint)
    return [("every update is learnt", complaints == []),
            ("memory is bounded", rss_end - rss < RSS_GROWTH_KIB),
            ("the disk is bounded", disk_end - disk < DISK_GROWTH_BYTES)]
