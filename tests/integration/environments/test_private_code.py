"""Private code: indexes as pip users configure them, tokens, folders, wheels and sdists beside the environment file."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from poltergust.base.errors import NodeError, Permanent
from poltergust.base.reasons import Reason
from tests import needs
from tests.integration.environments import packages
from tests.integration.environments.conftest import Node, ask, contains
from tests.integration.environments.index_server import Index, serve

TOKEN = "tok3n-of-nobody-else"
CREDENTIALS = f"builder:{TOKEN}"


def _assert_nowhere(node: Node) -> None:
    encoded = base64.b64encode(CREDENTIALS.encode()).decode()
    for secret in (TOKEN, encoded):
        assert secret not in node.log
        assert contains(node.root, secret) == []


@pytest.mark.parametrize("installer", ["uv", "pip"])
@pytest.mark.parametrize("way", ["variable", "file"])
def test_an_index_with_a_password_is_used_by_both_installers(
    make_node: Callable[..., Node], index: Index, installer: str, way: str
) -> None:
    index.credentials = CREDENTIALS
    node = make_node("private", index)
    if way == "variable":
        node.env["PIP_INDEX_URL"] = index.url(credentials=CREDENTIALS)
    else:
        del node.env["PIP_INDEX_URL"]
        file = node.root.parent / "pip.conf"
        file.write_text(f"[global]\nindex_url = {index.url(credentials=CREDENTIALS)}\n", encoding="utf-8")
        node.env["PIP_CONFIG_FILE"] = str(file)
    if installer == "pip":
        packages.bundled_pip(index.folder)
    index.watch_arguments = True
    environment = node.ready(node.spec("alpha", installer=installer))
    assert ask(environment, "import alpha; print(alpha.version)") == "1.1"
    assert not any(TOKEN in arguments for arguments in index.arguments_seen)
    _assert_nowhere(node)


def test_a_public_package_of_the_same_name_does_not_slip_in(make_node: Callable[..., Node], tmp_path: Path) -> None:
    """pip takes the best version of all its indexes; uv alone would stop at the first index that has the name."""
    with serve(tmp_path / "public") as public, serve(tmp_path / "private", CREDENTIALS) as private:
        packages.wheel(public.folder, "luigi", "3.0")
        packages.wheel(public.folder, "secret-sauce", "0.1", body="origin = 'public'\n")
        packages.wheel(private.folder, "secret-sauce", "2.0", body="origin = 'private'\n")
        node = make_node("both", public)
        node.env["PIP_EXTRA_INDEX_URL"] = private.url(credentials=CREDENTIALS)
        environment = node.ready(node.spec("secret-sauce"))
        assert ask(environment, "import secret_sauce; print(secret_sauce.origin)") == "private"
        _assert_nowhere(node)


def test_a_setting_that_uv_has_no_word_for_sends_everything_to_pip(node: Node, index: Index) -> None:
    packages.bundled_pip(index.folder)
    node.env["PIP_PREFER_BINARY"] = "1"
    environment = node.ready(node.spec("alpha"))
    assert ask(environment, "import alpha; print(alpha.version)") == "1.1"
    assert "pip installs instead of uv (pip's setting prefer-binary)" in node.log


def test_find_links_of_the_node(node: Node, tmp_path: Path) -> None:
    packages.wheel(tmp_path / "wheels", "beta", "5.0")
    node.env["PIP_FIND_LINKS"] = str(tmp_path / "wheels")
    assert ask(node.ready(node.spec("beta")), "import beta; print(beta.version)") == "5.0"


def test_a_constraint_of_the_node(node: Node, tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("alpha<1.1\n", encoding="utf-8")
    node.env["PIP_CONSTRAINT"] = str(tmp_path / "constraints.txt")
    assert ask(node.ready(node.spec("alpha")), "import alpha; print(alpha.version)") == "1.0"


def test_an_index_that_refuses_the_password(node: Node, index: Index) -> None:
    index.credentials = CREDENTIALS
    with pytest.raises(NodeError) as caught:
        node.ready(node.spec("alpha"))
    assert caught.value.reason is Reason.INSTALL_FAILED
    assert "credentials" in str(caught.value)


def test_a_token_in_the_url_of_an_index_line(node: Node, index: Index) -> None:
    index.credentials = CREDENTIALS
    node.env["INDEX_TOKEN"] = TOKEN
    url = f"http://builder:${{INDEX_TOKEN}}@127.0.0.1:{index.port}/simple/"
    environment = node.ready(node.spec(f"--index-url {url}", "alpha==1.0"))
    assert ask(environment, "import alpha; print(alpha.version)") == "1.0"
    _assert_nowhere(node)


def test_a_token_in_the_url_of_a_wheel(node: Node, index: Index, tmp_path: Path) -> None:
    with serve(tmp_path / "locked", CREDENTIALS) as locked:
        packages.wheel(locked.folder, "gamma", "4.0")
        node.env["WHEEL_TOKEN"] = TOKEN
        url = f"http://builder:${{WHEEL_TOKEN}}@127.0.0.1:{locked.port}/files/gamma-4.0-py3-none-any.whl"
        environment = node.ready(node.spec(f"gamma @ {url}"))
        assert ask(environment, "import gamma; print(gamma.version)") == "4.0"
        _assert_nowhere(node)
        assert ask(node.ready(node.spec(url)), "import gamma; print(gamma.version)") == "4.0"
        _assert_nowhere(node)


@pytest.mark.parametrize("editable", [False, True])
def test_git_with_a_token(node: Node, index: Index, tmp_path: Path, editable: bool) -> None:
    needs.program("git", "apt-get install git")
    with serve(tmp_path / "forge", CREDENTIALS) as forge:
        packages.git_repository(forge.folder / "git" / "delta.git", "delta", "0.7")
        forge.watch_arguments = True
        node.env["GH_TOKEN"] = TOKEN
        url = f"git+http://builder:${{GH_TOKEN}}@127.0.0.1:{forge.port}/git/delta.git"
        if editable:  # uv does not take it
            packages.bundled_pip(index.folder)
            environment = node.ready(node.spec(f"-e {url}#egg=delta"))
            assert "pip installs instead of uv (line 5: -e git+…)" in node.log
        else:
            environment = node.ready(node.spec(f"delta @ {url}"))
        assert ask(environment, "import delta; print(delta.version)") == "0.7"
        assert any("git" in arguments for arguments in forge.arguments_seen), "the sampling saw git at work"
        assert not any(TOKEN in arguments for arguments in forge.arguments_seen)
        _assert_nowhere(node)


def test_a_git_branch_is_pinned_to_its_commit_for_later_builds(
    make_node: Callable[..., Node], index: Index, tmp_path: Path
) -> None:
    needs.program("git", "apt-get install git")
    with serve(tmp_path / "forge") as forge:
        bare = packages.git_repository(forge.folder / "git" / "delta.git", "delta", "0.7", body="word = 'old'\n")
        node = make_node("first", index)
        line = f"git+http://127.0.0.1:{forge.port}/git/delta.git@main"
        assert ask(node.ready(node.spec(line)), "import delta; print(delta.word)") == "old"
        work = bare.parent / "delta.git.work"
        (work / "delta.py").write_text("word = 'new'\n", encoding="utf-8")
        packages.commit(work, bare)
        node.cache.prune(everything=True)
        again = node.ready(node.spec(line))
        assert again.built
        assert ask(again, "import delta; print(delta.word)") == "old"


def test_a_missing_variable_names_the_line(node: Node) -> None:
    with pytest.raises(NodeError) as caught:
        node.ready(node.spec("alpha", "git+https://${GH_TOKEN}@github.com/example/private.git"))
    assert caught.value.reason is Reason.VARIABLE_MISSING
    assert str(caught.value) == (
        "dependencies, line 6: the variable GH_TOKEN is not set in this node's environment; "
        "set it where the agent is started"
    )


def test_a_folder_beside_the_file_is_built_again_when_its_code_changes(node: Node) -> None:
    folder = packages.source(node.files / "code", "epsilon", "1.0", body="word = 'one'\n")
    first = node.ready(node.spec("./code"))
    assert ask(first, "import epsilon; print(epsilon.word)") == "one"
    assert not node.ready(node.spec("./code")).built
    (folder / "epsilon.py").write_text("word = 'two'\n", encoding="utf-8")
    second = node.ready(node.spec("./code"))
    assert second.built
    assert ask(second, "import epsilon; print(epsilon.word)") == "two"


def test_an_editable_folder_is_live(node: Node) -> None:
    folder = packages.source(node.files / "code", "epsilon", "1.0", body="word = 'one'\n")
    first = node.ready(node.spec("-e ./code"))
    (folder / "epsilon.py").write_text("word = 'two'\n", encoding="utf-8")
    second = node.ready(node.spec("-e ./code"))
    assert (second.built, second.key) == (False, first.key)
    assert ask(second, "import epsilon; print(epsilon.word)") == "two"


def test_wheels_and_sdists_relative_to_the_file(node: Node) -> None:
    packages.wheel(node.files.parent / "wheels", "zeta", "1.0")
    packages.sdist(node.files / "dist files", "eta", "2.0")
    environment = node.ready(node.spec("../wheels/zeta-1.0-py3-none-any.whl", "./dist files/eta-2.0.tar.gz"))
    assert ask(environment, "import zeta, eta; print(zeta.version, eta.version)") == "1.0 2.0"


def test_requirements_constraints_and_links_relative_to_the_file(node: Node) -> None:
    packages.wheel(node.files / "wheels", "zeta", "1.0")
    (node.files / "reqs.txt").write_text("zeta  # from the links\nalpha\n", encoding="utf-8")
    (node.files / "limits.txt").write_text("alpha<1.1\n", encoding="utf-8")
    spec = node.spec("--find-links ./wheels", "-r reqs.txt", "-c limits.txt")
    environment = node.ready(spec)
    assert ask(environment, "import zeta, alpha; print(zeta.version, alpha.version)") == "1.0 1.0"
    assert not node.ready(spec).built
    (node.files / "limits.txt").write_text("alpha<1.2\n", encoding="utf-8")
    assert ask(node.ready(spec), "import alpha; print(alpha.version)") == "1.1"


def test_what_is_not_beside_the_file_is_named(node: Node) -> None:
    with pytest.raises(Permanent) as caught:
        node.ready(node.spec("./nothing"))
    assert caught.value.reason is Reason.PACKAGE_NOT_FOUND
    assert str(caught.value) == f"dependencies, line 5: {node.files}/nothing: there is no such file or folder"
