using System.Net;
using FastRelay.Config;
using FastRelay.EndToEnd.Rig;
using FastRelay.Outside;
using FastRelay.Outside.Linux;
using FastRelay.Receive;

namespace FastRelay.Tests.Receive.Rig;

/// <summary>
/// A whole relay on real sockets in this process: its loop has a thread of its own, tests talk to it over TCP, and
/// everything that it takes arrives at <see cref="Sink"/>. Mail to refused.test has a route that refuses it.
/// </summary>
internal sealed class RelayRig : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("receive").FullName;
    private readonly World _world;
    private readonly Thread _thread;

    /// <summary>Starts it.</summary>
    /// <param name="config">TOML tables <c>[[listen]]</c>, <c>[[relay_for]]</c>, <c>[limits]</c> and more; one listener on 127.0.0.1 when it names none.</param>
    /// <param name="tls">The listeners' certificate.</param>
    /// <param name="users">Who may authenticate.</param>
    /// <param name="extensions">What the sink offers; a good deal when not given.</param>
    public RelayRig(string config = "", ServerTls? tls = null, UserTable? users = null, string[]? extensions = null)
    {
        Sink = extensions is null ? new Sink(IPAddress.Loopback) : new Sink(IPAddress.Loopback) { Extensions = extensions };
        string text = $"""
            hostname = "relay.test"
            spool = "{_folder}/spool"
            sync = "none"

            """ + (config.Contains("[[listen]]", StringComparison.Ordinal) ? "" : "[[listen]]\naddress = \"127.0.0.1:0\"\n") + config + $"""

            [queue]
            retry = ["100ms"]
            [[route]]
            domain = "refused.test"
            to = "error:5.7.1 not taken here"
            [[route]]
            domain = "*"
            to = "smtp:[127.0.0.1]:{Sink.EndPoint.Port}"
            """;
        if (tls is not null)
        {
            // The configuration names files that nobody reads: the certificate is at hand.
            text += "\n[tls]\ncertificate = \"here.crt\"\nkey = \"here.key\"\n";
        }
        if (users is not null)
        {
            text += "\n[auth]\nusers = \"users\"\n";
        }
        ConfigResult read = ConfigReader.Read(text, "test.toml", _folder, "relay.test", _ => null);
        Assert.Empty(read.Errors);
        RelayConfig known = read.Config! with { Limits = read.Config!.Limits with { SegmentBytes = 4 << 20 } };
        _world = LinuxWorld.Create(new LinuxOptions()) with { Output = Output };
        RelayStartResult started = Relay.Start(_world, known, tls, users: users);
        Assert.Equal("", started.Error);
        Relay = started.Relay!;
        EndPoints = [.. Relay.Receiver.EndPoints];
        _thread = new Thread(_world.Loop.Run) { IsBackground = true, Name = "relay" };
        _thread.Start();
    }

    public Sink Sink { get; }

    public Relay Relay { get; }

    public LockedOutput Output { get; } = new();

    public IReadOnlyList<IPEndPoint> EndPoints { get; }

    /// <summary>Connects to a listener.</summary>
    public SmtpTalk Talk(int listener = 0, string? source = null) =>
        new(EndPoints[listener].Address, EndPoints[listener].Port, source is null ? null : IPAddress.Parse(source));

    /// <summary>Sends one message and gives it as the sink got it, without our trace header.</summary>
    public string PassThrough(SmtpTalk talk, string content)
    {
        string to = $"u{Guid.NewGuid():N}@pass.test";
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<sender@pass.test>"));
        Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<{to}>"));
        Assert.StartsWith("354 ", talk.Say("DATA"));
        talk.Send(content + "\r\n.\r\n");
        Assert.StartsWith("250 2.0.0", talk.Read());
        return Arrived(to);
    }

    /// <summary>What the sink got for a recipient, without our trace header.</summary>
    public string Arrived(string to) => System.Text.Encoding.Latin1.GetString(Sink.WaitFor(a => a.To.Contains(to)).WithoutTrace);

    /// <summary>Waits for a line of the log; the test's own time is the bound.</summary>
    public void WaitForLog(params string[] parts) => Assert.True(SpinWait.SpinUntil(() => Logged(parts), 30_000), "never logged: " + string.Join(' ', parts));

    public bool Logged(params string[] parts) => Output.Lines.Any(line => parts.All(part => line.Contains(part, StringComparison.Ordinal)));

    public void Dispose()
    {
        Relay.Stop();
        Assert.True(_thread.Join(60_000), "the relay did not stop");
        LinuxWorld.Dispose(_world);
        Sink.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>Keeps log lines that one thread writes and another reads.</summary>
internal sealed class LockedOutput : Output
{
    private readonly List<string> _lines = [];

    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lines)
            {
                return [.. _lines];
            }
        }
    }

    public override long Dropped => 0;

    public override bool TryWrite(ReadOnlySpan<byte> line)
    {
        lock (_lines)
        {
            _lines.Add(System.Text.Encoding.UTF8.GetString(line).TrimEnd('\n'));
        }
        return true;
    }
}
