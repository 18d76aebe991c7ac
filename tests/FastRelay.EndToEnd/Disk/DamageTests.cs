using System.Text;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd.Disk;

/// <summary>Bits flip in the spool: the good mail arrives, the damaged never does, and somebody hears of each.</summary>
public sealed class DamageTests : IDisposable
{
    private readonly Sink _sink = new(Place.NewAddress());
    private readonly RelayProcess _relay;
    private volatile bool _open;

    public DamageTests()
    {
        _sink.Answer = (verb, _) => !_open && verb == "RCPT" ? "451 4.2.1 not yet" : null;
        _relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint));
    }

    public void Dispose()
    {
        _relay.Dispose();
        _sink.Dispose();
    }

    [Fact]
    public void Damage_found_at_a_start_is_bounced_or_named_and_costs_no_other_message()
    {
        _relay.Start();
        for (int i = 1; i <= 6; i++)
        {
            Send($"r{i}@mail.test", $"token-{i}");
        }
        _relay.Stop();
        Flip("token-2");
        Flip("r4@mail.test");
        _open = true;
        _relay.Start();
        foreach (int good in new[] { 1, 3, 5, 6 })
        {
            _sink.WaitFor(a => a.To.Contains($"r{good}@mail.test") && a.Text.Contains($"token-{good}", StringComparison.Ordinal));
        }
        Arrival bounce = _sink.WaitFor(static a => a.From.Length == 0);
        Assert.Equal(["sender2@mail.test"], bounce.To);
        Assert.Contains("r2@mail.test", bounce.Text, StringComparison.Ordinal);
        Assert.Contains("5.3.0", bounce.Text, StringComparison.Ordinal);
        _relay.WaitForEmptyQueue();
        Assert.Equal(5, _sink.Arrivals.Count);
        Assert.Contains("hold a record that cannot be read", _relay.Log, StringComparison.Ordinal);
        Assert.Contains("its body is damaged", _relay.Log, StringComparison.Ordinal);
        Assert.Matches(@"event=unreadable id=\w+ status=corrupt envelope=intact where=""?\S+\.seg at \d+", _relay.Log);
    }

    [Fact]
    public void An_envelope_that_rots_while_the_relay_runs_is_set_aside_and_the_relay_goes_on()
    {
        _relay.Start();
        Send("rot@mail.test", "token-rot");
        Tool.Until(() => _sink.Commands.Any(static c => c.StartsWith("RCPT", StringComparison.Ordinal)), 20, () => _relay.Log);
        Flip("rot@mail.test");
        Assert.Equal(0, _relay.Command("queue", "list").Ok().ExitCode);
        Tool.Until(() => _relay.Log.Contains("event=set_aside", StringComparison.Ordinal), 30, () => $"not set aside\n{_relay.Log}");
        _open = true;
        _relay.WaitForEmptyQueue();
        Send("good@mail.test", "token-good");
        _sink.WaitFor(static a => a.To.Contains("good@mail.test"));
        Assert.DoesNotContain(_sink.Arrivals, static a => a.Text.Contains("token-rot", StringComparison.Ordinal));
        Assert.Equal(0, _relay.Stop());
    }

    private void Send(string to, string token)
    {
        using SmtpTalk talk = _relay.Talk().Hello();
        string number = token[6..];
        Assert.StartsWith("250", talk.Say($"MAIL FROM:<sender{number}@mail.test>"));
        Assert.StartsWith("250", talk.Say($"RCPT TO:<{to}>"));
        Assert.StartsWith("354", talk.Say("DATA"));
        Assert.StartsWith("250 2.0.0", talk.Say($"Subject: {token}\r\n\r\nthe body\r\n."));
    }

    /// <summary>Flips one bit where a text stands first.</summary>
    private void Flip(string text)
    {
        string path = Directory.GetFiles(Path.Combine(_relay.Folder, "spool"), "*.seg").Single();
        using FileStream file = File.Open(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        byte[] start = new byte[1 << 20];
        file.ReadExactly(start);
        int at = start.AsSpan().IndexOf(Encoding.ASCII.GetBytes(text));
        Assert.True(at > 4096, $"{text} is not in {path}");
        file.Position = at;
        file.WriteByte((byte)(start[at] ^ 1));
    }
}
