using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>Signals during a start, which stands still here for as long as nobody reads its warnings.</summary>
public sealed class StartSignalTests : IDisposable
{
    private const int Hangup = 1;
    private const int Interrupt = 2;
    private const int Terminate = 15;

    private readonly RelayProcess _relay;
    private readonly Process _process;
    private readonly StringBuilder _log = new();

    public StartSignalTests()
    {
        // A warning for each: more than a pipe holds, and before the spool is looked at.
        string sources = string.Concat(Enumerable.Range(0, 1_000).Select(static i => $"[[source]]\nname = \"s{i}\"\naddress = \"192.0.2.1\"\n"));
        _relay = new RelayProcess(RelayProcess.SmarthostConfig(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 9), sources));
        _process = Tool.Start(Place.Binary, ["serve", "--config", _relay.ConfigFile]);
        Tool.Until(() => _process.HasExited || (Catches(Hangup) && Catches(Interrupt) && Catches(Terminate)), 30, () => "signals are not caught before the spool is read");
        Assert.False(Directory.Exists(Path.Combine(_relay.Folder, "spool")));
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _relay.Dispose();
    }

    [Fact]
    public void A_SIGHUP_is_obeyed_once_the_doors_are_open()
    {
        Signal("HUP");
        _process.OutputDataReceived += (_, line) =>
        {
            lock (_log)
            {
                _log.Append(line.Data).Append('\n');
            }
        };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        Tool.Until(() => Log().Contains("event=reloaded", StringComparison.Ordinal), 30, Log);
        Assert.Single(Regex.Matches(Log(), "event=reloaded"));
        Signal("TERM");
        Assert.True(_process.WaitForExit(30_000), Log());
        Assert.Equal(0, _process.ExitCode);
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    public void Another_ends_it(string signal)
    {
        Signal(signal);
        Assert.True(_process.WaitForExit(30_000), "it goes on");
        Assert.Equal(0, _process.ExitCode);
    }

    private void Signal(string name) => Tool.Run("kill", [$"-{name}", _process.Id.ToString(CultureInfo.InvariantCulture)]).Ok();

    private bool Catches(int signal)
    {
        string caught = Regex.Match(File.ReadAllText($"/proc/{_process.Id}/status"), @"^SigCgt:\s+([0-9a-f]+)", RegexOptions.Multiline).Groups[1].Value;
        return (ulong.Parse(caught, NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> (signal - 1) & 1) == 1;
    }

    private string Log()
    {
        lock (_log)
        {
            return _log.ToString();
        }
    }
}
