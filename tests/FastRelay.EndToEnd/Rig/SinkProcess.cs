using System.Diagnostics;
using System.Net;
using System.Text.Json;

namespace FastRelay.EndToEnd.Rig;

/// <summary>A sink of the published binary on a free port.</summary>
public sealed class SinkProcess : IDisposable
{
    private readonly Process _process;

    public SinkProcess(params string[] arguments)
    {
        EndPoint = new IPEndPoint(IPAddress.Loopback, Place.FreePort());
        _process = Tool.Start(Place.Binary, ["sink", "--listen", EndPoint.ToString(), "--quiet", .. arguments]);
        string? line = _process.StandardError.ReadLine();
        Assert.Equal($"sink on {EndPoint}", line);
    }

    public IPEndPoint EndPoint { get; }

    /// <summary>SIGTERM; its report.</summary>
    public JsonElement Stop(int exitCode)
    {
        Tool.Run("kill", ["-TERM", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]).Ok();
        return End(exitCode);
    }

    /// <summary>Waits until it ends by itself; its report.</summary>
    public JsonElement End(int exitCode)
    {
        string report = _process.StandardOutput.ReadToEnd();
        _process.WaitForExit();
        Assert.True(_process.ExitCode == exitCode, $"exit code {_process.ExitCode}\n{report}");
        return JsonDocument.Parse(report).RootElement.Clone();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }
        _process.Dispose();
    }
}
