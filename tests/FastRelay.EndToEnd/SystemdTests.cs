using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>The units of the package, as systemd itself sees them.</summary>
[Collection(nameof(Alone))]
public sealed class SystemdTests : IDisposable
{
    private readonly string _folder = Place.NewFolder("systemd");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Every_line_of_the_units_is_understood()
    {
        foreach (string path in Directory.EnumerateFiles(Path.Combine(Place.Root, "packaging", "systemd")))
        {
            // It looks whether the program is there.
            string text = File.ReadAllText(path).Replace("/usr/bin/fastrelay ", Place.Binary + " ", StringComparison.Ordinal);
            File.WriteAllText(Path.Combine(_folder, Path.GetFileName(path)), text);
        }
        // Other units of this machine that these name are its own matter.
        ToolResult verified = Tool.Run("systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", Path.Combine(_folder, "fastrelay.service"), Path.Combine(_folder, "fastrelay.socket")]).Ok();
        Assert.DoesNotContain("fastrelay", verified.Output + verified.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_service_is_exposed_by_what_a_relay_needs_and_no_more()
    {
        // 1.5 of 10; most of it is the network, the user and the right to port 25.
        Tool.Run("systemd-analyze", ["security", "--no-pager", "--offline=true", "--threshold=15", Path.Combine(Place.Root, "packaging", "systemd", "fastrelay.service")]).Ok();
    }

    [SystemdFact]
    public void Under_a_real_systemd_the_package_is_watched_confined_restarted_and_upgraded_and_no_client_is_refused()
    {
        string package = Tool.Run("env", [$"FASTRELAY_BINARY={Place.Binary}", $"FASTRELAY_OUT={_folder}", Path.Combine(Place.Root, "eng", "deb"), "-Znone"]).Ok().Output.Trim();
        Assert.EndsWith("systemd-test: passed\n", Tool.Run("timeout", ["--kill-after=30", "270", Path.Combine(Place.Root, "eng", "systemd-test"), package], timeoutSeconds: 310).Ok().Output, StringComparison.Ordinal);
    }
}
