using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>Signals during a start, which stands still here for as long as its configuration cannot be read.</summary>
public sealed class StartSignalTests : IDisposable
{
    private const int Hangup = 1;
    private const int Interrupt = 2;
    private const int Terminate = 15;

    private readonly RelayProcess _relay;
    private readonly FileLease _lease;
    private readonly Process _process;
    private readonly StringBuilder _log = new();

    public StartSignalTests()
    {
        _relay = new RelayProcess(RelayProcess.SmarthostConfig(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 9)));
        _lease = new FileLease(_relay.ConfigFile);
        _process = Tool.Start(Place.Binary, ["serve", "--config", _relay.ConfigFile]);
        Tool.Until(() => _process.HasExited || (IsTaken(Hangup) && IsTaken(Interrupt) && IsTaken(Terminate)), 30, () => "signals are not caught before the spool is read");
        Assert.False(Directory.Exists(Path.Combine(_relay.Folder, "spool")));
    }

    public void Dispose()
    {
        _lease.Dispose();
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _relay.Dispose();
    }

    [Fact]
    public void A_SIGHUP_is_obeyed_once_the_doors_are_open()
    {
        Signal("HUP");
        _lease.Dispose();
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
    [InlineData("TERM", Terminate)]
    [InlineData("INT", Interrupt)]
    public void Another_ends_it(string signal, int number)
    {
        if (Has("SigIgn", number))
        {
            // A shell gives a job in the background an ignored SIGINT, and what is ignored at the start stays so.
            return;
        }
        Signal(signal);
        Assert.True(_process.WaitForExit(30_000), "it goes on");
        Assert.Equal(0, _process.ExitCode);
    }

    private void Signal(string name) => Tool.Run("kill", [$"-{name}", _process.Id.ToString(CultureInfo.InvariantCulture)]).Ok();

    private bool IsTaken(int signal) => Has("SigCgt", signal) || Has("SigIgn", signal);

    private bool Has(string set, int signal)
    {
        string signals = Regex.Match(File.ReadAllText($"/proc/{_process.Id}/status"), $@"^{set}:\s+([0-9a-f]+)", RegexOptions.Multiline).Groups[1].Value;
        return (ulong.Parse(signals, NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> (signal - 1) & 1) == 1;
    }

    private string Log()
    {
        lock (_log)
        {
            return _log.ToString();
        }
    }
}
