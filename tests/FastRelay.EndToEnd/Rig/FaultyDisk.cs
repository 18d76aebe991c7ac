using System.Globalization;

namespace FastRelay.EndToEnd.Rig;

/// <summary>Starts a relay whose writes and syncs in the spool can be made to fail while it runs: Native/faultdisk.c.</summary>
public sealed class FaultyDisk
{
    private static readonly string s_program = Path.Combine(Place.NewFolder("faultdisk"), "faultdisk");
    private readonly string _control;

    public FaultyDisk(RelayProcess relay)
    {
        _control = Path.Combine(relay.Folder, "faults");
        Mode = "off";
        Spool = Path.Combine(relay.Folder, "spool");
    }

    /// <summary>Why calls cannot be changed here; empty when they can.</summary>
    public static string Missing { get; } = WhyNot();

    public string Spool { get; }

    /// <summary>What goes wrong from now on; the words are in Native/faultdisk.c.</summary>
    public string Mode
    {
        get => File.ReadAllText(_control);
        set
        {
            // In one step, so that no call sees half a word.
            File.WriteAllText(_control + ".new", value);
            File.Move(_control + ".new", _control, overwrite: true);
        }
    }

    /// <summary>Calls that went wrong since the relay was started.</summary>
    public long Changed => long.TryParse(File.ReadAllText(_control + ".count").Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long count) ? count : 0;

    public RelayProcess Start(RelayProcess relay)
    {
        File.Delete(_control + ".count");
        return relay.Start(s_program, _control, Spool);
    }

    private static string WhyNot()
    {
        string source = Path.Combine(Place.Root, "tests", "FastRelay.EndToEnd", "Native", "faultdisk.c");
        Tool.Run("cc", ["-O1", "-Wall", "-Wextra", "-Werror", "-o", s_program, source]).Ok();
        string folder = Place.NewFolder("faulttry");
        string mode = Path.Combine(folder, "mode");
        File.WriteAllText(mode, "short");
        ToolResult tried = Tool.Run(s_program, [mode, folder], timeoutSeconds: 20);
        Directory.Delete(folder, recursive: true);
        return tried.ExitCode == 0 ? "" : $"needs a kernel and rights for seccomp notifications: {tried.Error.Trim()}";
    }
}

/// <summary>A test whose relay meets a faulty disk; skipped with its reason where calls cannot be changed.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class FaultyDiskFactAttribute : FactAttribute
{
    public FaultyDiskFactAttribute()
    {
        if (FaultyDisk.Missing.Length > 0)
        {
            Skip = FaultyDisk.Missing;
        }
    }
}

/// <summary>The same with arguments.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class FaultyDiskTheoryAttribute : TheoryAttribute
{
    public FaultyDiskTheoryAttribute()
    {
        if (FaultyDisk.Missing.Length > 0)
        {
            Skip = FaultyDisk.Missing;
        }
    }
}
