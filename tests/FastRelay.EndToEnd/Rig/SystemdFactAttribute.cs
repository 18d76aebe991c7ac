namespace FastRelay.EndToEnd.Rig;

/// <summary>A test that boots a systemd in namespaces of its own; skipped with its reason where none can be.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SystemdFactAttribute : FactAttribute
{
    private static readonly Lazy<string> s_missing = new(static () =>
    {
        ToolResult can = Tool.Run(Path.Combine(Place.Root, "eng", "systemd-test"), ["--can"]);
        return can.ExitCode == 0 ? "" : can.Error.Trim();
    });

    public SystemdFactAttribute()
    {
        if (s_missing.Value.Length > 0)
        {
            Skip = s_missing.Value;
        }
    }
}
