"""`emohead doctor`: what works here."""

from dataclasses import dataclass

from emohead.commands.options import Command, Outcome, to_json
from emohead.errors import ResourceError


@dataclass(frozen=True, kw_only=True)
class Doctor(Command):
    """Try what works on this machine (rasterizers, codecs, assets, extras) and name the fix of each problem."""

    json: bool = False
    """Print JSON."""

    def run(self) -> Outcome:
        """Print a table or JSON; exit code 3 when something that the main job needs does not work."""
        from emohead.doctor import run_checks

        checks = run_checks()
        broken = [check for check in checks if check.needed and not check.works]
        code = ResourceError.exit_code if broken else 0
        if self.json:
            flat: dict[str, object] = {"works": not broken}
            for check in checks:
                flat[check.name] = check.value
                flat[f"{check.name}_works"] = check.works
                if check.fix:
                    flat[f"{check.name}_fix"] = check.fix
            return Outcome(to_json(flat), exit_code=code)
        lines = []
        for check in checks:
            mark = "ok" if check.works else "FAIL" if check.needed else "-"
            lines.append(f"{mark:<5}{check.name:<28}{check.value}")
            if check.fix:
                lines.append(f"{'':<33}fix: {check.fix}")
        lines.append("everything that is needed works" if not broken else f"{len(broken)} needed part(s) do not work, see FAIL")
        return Outcome("\n".join(lines), exit_code=code)
