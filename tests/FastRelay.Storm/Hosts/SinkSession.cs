using System.Globalization;
using System.Net.Security;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>One connection to a simulated next hop: a server that checks its client, and misbehaves by seed.</summary>
internal sealed class SinkSession(StormSink sink, Link link)
{
    private readonly SmtpPeer _peer = new(link, sink.Random);
    private readonly SinkOffers _offers = new(sink);
    private readonly List<string> _mailboxes = [];
    private readonly List<MailRecipient> _taken = [];
    private readonly bool _pipelines = sink.Profile.Pipelining || Lies(sink);
    private readonly Sleeper _sleeper = new(sink.Host.Loop);
    private readonly int _life = sink.Checker.Life;
    private SinkLogin? _login;
    private string? _sender;
    private int _messages;
    private bool _tls;
    private bool _saidTooMuch;
    private bool _chunked;
    private bool _keptOpen;
    private bool _resetRefused;
    private bool _left;

    private SimUniverse Universe => sink.Host.Universe;

    private bool FaultsOn => Universe.Faults.On;

    private SimRandom Random => sink.Random;

    public async ValueTask RunAsync()
    {
        if (await PassAsync("banner") && await _peer.WriteAsync("220 sink.test ready\r\n"))
        {
            while (await _peer.ReadLineAsync() is { } line)
            {
                Universe.Trace.Add("sink", line);
                if (!await AnswerAsync(line))
                {
                    _left = !line.StartsWith("QUIT", StringComparison.OrdinalIgnoreCase);
                    break;
                }
                if (Lies(sink) && _peer.Ahead > 0)
                {
                    Universe.Faults.Hit("sink: lied about PIPELINING");
                    await _peer.DropAheadAsync();
                }
            }
        }
        // A host that leaves in the middle of a window may take its last answers with it.
        if (link.Error is not (LinkError.None or LinkError.Eof) || _resetRefused || (_chunked && _left))
        {
            MarkDoubt();
        }
        link.Close();
    }

    private static bool Lies(StormSink sink) => sink.Profile.LiesAboutPipelining && sink.Host.Universe.Faults.On;

    private async ValueTask<bool> AnswerAsync(string line)
    {
        string verb = line.Split(' ', ':')[0].ToUpperInvariant();
        // After a reply too many the relay answers one that is not meant: it is ahead without knowing it.
        bool ahead = !_saidTooMuch && _peer.Ahead > 0 && verb is "MAIL" or "RCPT" && !_pipelines;
        Universe.Require(!ahead, $"pipelined to a host that does not offer it: {line}");
        switch (verb)
        {
            case "EHLO" or "HELO":
                return await PassAsync(verb) && await _peer.WriteAsync(Greeting(verb));
            case "STARTTLS":
                return await StartTlsAsync();
            case "AUTH":
                return await (_login ??= new SinkLogin(sink, _peer)).AnswerAsync(line, _tls);
            case "MAIL":
                return await MailAsync(line);
            case "RCPT":
                return await RcptAsync(line);
            case "DATA":
                return await DataAsync();
            case "BDAT":
                return await ChunkAsync(line);
            case "RSET" when _chunked && !_keptOpen && FaultsOn && Random.OneIn(sink.Profile.FaultOneIn):
                Universe.Faults.Hit("sink: RSET refused");
                _resetRefused = true;
                return await _peer.WriteAsync("503 5.5.1 not now\r\n");
            case "RSET" or "NOOP":
                _keptOpen &= verb == "NOOP";
                Reset(verb);
                return await _peer.WriteAsync("250 2.0.0 ok\r\n");
            case "QUIT":
                await _peer.WriteAsync("221 2.0.0 bye\r\n");
                return false;
            default:
                Universe.Require(FaultsOn, $"an odd command: {line}");
                return await _peer.WriteAsync("500 5.5.2 what?\r\n");
        }
    }

    private string Greeting(string verb)
    {
        Reset("RSET");
        if (verb == "HELO")
        {
            _offers.Forget();
            return "250 sink.test\r\n";
        }
        return "250-sink.test\r\n"
            + (_pipelines ? "250-PIPELINING\r\n" : "")
            + (sink.Profile.Chunking ? "250-CHUNKING\r\n" : "")
            + (sink.Profile.StartTls && !_tls ? "250-STARTTLS\r\n" : "")
            + _offers.Lines()
            + "250-ENHANCEDSTATUSCODES\r\n250 SIZE 10000000\r\n";
    }

    private async ValueTask<bool> StartTlsAsync()
    {
        if (!await PassAsync("STARTTLS"))
        {
            return false;
        }
        await _peer.WriteAsync("220 2.0.0 go ahead\r\n");
        TlsResult tls = await link.StartTlsAsync(new ServerTls(new SslServerAuthenticationOptions()));
        _tls = tls.Ok;
        Universe.Faults.Hit(tls.Ok ? "sink: tls" : "sink: tls failed");
        return tls.Ok;
    }

    private async ValueTask<bool> MailAsync(string line)
    {
        if (sink.Profile.MessagesBefore421 > 0 && FaultsOn && _messages >= sink.Profile.MessagesBefore421)
        {
            Universe.Faults.Hit("sink: 421 after some");
            await _peer.WriteAsync($"421 4.7.0 enough for now{RateWords()}\r\n");
            return false;
        }
        Universe.Require(!_keptOpen, $"5: a transaction begins in one that is still open: {line}");
        Universe.Require(!sink.Profile.Auth || _login is { IsDone: true }, $"MAIL without AUTH: {line}");
        _offers.Mail(line, Path(line));
        switch (await RollAsync("MAIL"))
        {
            case Fault.None:
                _sender = Path(line);
                _mailboxes.Clear();
                return await _peer.WriteAsync("250 2.1.0 ok\r\n");
            case Fault.Refuse:
                return true;
            default:
                return false;
        }
    }

    private async ValueTask<bool> RcptAsync(string line)
    {
        string mailbox = Path(line);
        if (_sender is null)
        {
            return await _peer.WriteAsync("503 5.5.1 MAIL first\r\n");
        }
        // What was on its way when the relay lost its trust is no new attempt.
        sink.Checker.Offered(mailbox, link.Local, _resetRefused ? -1 : _life);
        _offers.Rcpt(SmtpPeer.Utf8(line), mailbox);
        if (mailbox.StartsWith("bad", StringComparison.Ordinal))
        {
            return await _peer.WriteAsync("550 5.1.1 no such user\r\n");
        }
        if (sink.IsGreylisted(mailbox))
        {
            return await _peer.WriteAsync("451 4.7.1 greylisted\r\n");
        }
        switch (await RollAsync("RCPT"))
        {
            case Fault.None:
                _mailboxes.Add(mailbox);
                Universe.Require(_mailboxes.Count <= sink.Limits.RecipientsPerTransaction, $"6: {_mailboxes.Count} recipients in a transaction");
                return await _peer.WriteAsync("250 2.1.5 ok\r\n");
            case Fault.Refuse:
                return true;
            default:
                return false;
        }
    }

    private async ValueTask<bool> DataAsync()
    {
        bool trap = _sender is not null && _mailboxes.Count == 0 && FaultsOn && Random.OneIn(3);
        if (_mailboxes.Count == 0 && !trap)
        {
            return await _peer.WriteAsync("503 5.5.1 nobody to give it to\r\n");
        }
        switch (await RollAsync("DATA"))
        {
            case Fault.Refuse:
                Reset("");
                return true;
            case Fault.Leave:
                return false;
            default:
                break;
        }
        await _peer.WriteAsync("354 go ahead\r\n");
        byte[]? content = await _peer.ReadContentAsync();
        if (content is null)
        {
            return false;
        }
        if (trap)
        {
            Universe.Faults.Hit("sink: 354 without a recipient");
            // A 250 out of turn counts for whoever is next: who says one has said yes.
            Universe.Require(content.Length == 0 || _saidTooMuch, "content for nobody");
            return await _peer.WriteAsync("554 5.5.1 no valid recipients\r\n");
        }
        bool goOn = await EndAsync(content);
        Reset("");
        return goOn;
    }

    /// <summary>A message in one chunk. After it was refused, some hosts keep the transaction open until RSET.</summary>
    private async ValueTask<bool> ChunkAsync(string line)
    {
        string[] words = line.Split(' ');
        Universe.Require(words.Length == 3 && words[2] == "LAST", $"an odd chunk: {line}");
        Universe.Require(sink.Profile.Chunking && _pipelines, "BDAT to a host that does not offer it");
        if (await _peer.ReadOctetsAsync(int.Parse(words[1], CultureInfo.InvariantCulture)) is not { } content)
        {
            return false;
        }
        _chunked = true;
        Universe.Faults.Hit(_peer.Ahead > 0 ? "sink: BDAT with more behind it" : "sink: BDAT");
        if (_sender is null || _mailboxes.Count == 0)
        {
            return await _peer.WriteAsync(_sender is null ? "503 5.5.1 MAIL first\r\n" : "554 5.5.1 no valid recipients\r\n");
        }
        if (FaultsOn && Random.OneIn(2 * sink.Profile.FaultOneIn))
        {
            Universe.Faults.Hit("sink: kept open after a refused BDAT");
            _keptOpen = true;
            return await _peer.WriteAsync("451 4.3.0 not now, and RSET comes first\r\n");
        }
        bool goOn = await EndAsync(content);
        Reset("");
        return goOn;
    }

    /// <summary>The final dot has come: here doubt is made.</summary>
    private async ValueTask<bool> EndAsync(byte[] content)
    {
        if (sink.Profile.RejectsContent)
        {
            return await _peer.WriteAsync("554 5.6.0 content refused\r\n");
        }
        if (FaultsOn && Random.OneIn(sink.Profile.FaultOneIn))
        {
            bool takes = Random.OneIn(2);
            if (takes)
            {
                Take(content);
                MarkDoubt();
            }
            Universe.Faults.Hit(takes ? "sink: takes and closes" : "sink: closes after the dot");
            return false;
        }
        switch (await RollAsync("dot"))
        {
            case Fault.Refuse:
                return true;
            case Fault.Leave:
                return false;
            default:
                break;
        }
        _messages++;
        Universe.Require(_messages <= sink.Limits.MessagesPerConnection, $"6: {_messages} messages down one connection");
        Take(content);
        return await _peer.WriteAsync("250 2.0.0 taken\r\n");
    }

    private void Take(byte[] content)
    {
        Universe.Trace.Add("taken", content);
        _taken.AddRange(sink.Checker.Taken(_sender!, _mailboxes, content, _offers.IsSevenBit(content)));
        if (sink.Checker.Life != _life)
        {
            // The dot was on its way when the relay died.
            MarkDoubt();
        }
    }

    private void MarkDoubt()
    {
        foreach (MailRecipient recipient in _taken)
        {
            recipient.Doubt = true;
        }
    }

    private void Reset(string verb)
    {
        if (verb != "NOOP")
        {
            _sender = null;
            _mailboxes.Clear();
        }
    }

    /// <summary>True when a step before MAIL may go on.</summary>
    private async ValueTask<bool> PassAsync(string step) => await RollAsync(step) == Fault.None;

    private async ValueTask<Fault> RollAsync(string step)
    {
        if (!FaultsOn || !Random.OneIn(sink.Profile.FaultOneIn))
        {
            return Fault.None;
        }
        // A host that talks out of turn at DATA or the dot, or with many messages in flight, would take back what it said:
        // its word counts there.
        int kind = Random.Next(step is "DATA" or "dot" ? 6 : 8);
        kind = kind == 6 && sink.Profile.Chunking ? 3 : kind;
        Universe.Faults.Hit($"sink: {KindName(kind)} at {step}");
        switch (kind)
        {
            case 0:
                await _peer.WriteAsync($"451 4.3.0 not now at {step}{RateWords()}\r\n");
                return Fault.Refuse;
            case 1:
                await _peer.WriteAsync($"554 5.7.1 never at {step}\r\n");
                return Fault.Refuse;
            case 2:
                await _peer.WriteAsync($"421 4.3.2 closing at {step}{RateWords()}\r\n");
                return Fault.Leave;
            case 3:
                return Fault.Leave;
            case 5:
                await _peer.WriteAsync("what is all this then\r\n");
                return Fault.Leave;
            case 6:
                _saidTooMuch = _offers.IsUnheard = true;
                await _peer.WriteAsync($"250 2.0.0 too early at {step}\r\n");
                return Fault.None;
            case 7:
                await WriteEndlessReplyAsync();
                return Fault.Leave;
            default:
                // What was taken in this session may be in doubt when the relay gives up waiting: the link says so then.
                await _sleeper.SleepAsync(Random.Magnitude(1_000, 900_000));
                return link.Error is LinkError.None or LinkError.Eof ? Fault.None : Fault.Leave;
        }
    }

    /// <summary>A host that means the rate by what it puts off: the relay learns one, and must lose nothing by it.</summary>
    private string RateWords()
    {
        if (!sink.Profile.SpeaksOfRates)
        {
            return "";
        }
        Universe.Faults.Hit("sink: speaks of rates");
        return ": rate limit exceeded";
    }

    /// <summary>Lines without an end, until the relay has had enough.</summary>
    private async ValueTask WriteEndlessReplyAsync()
    {
        string lines = string.Concat(Enumerable.Repeat("250-and another thing\r\n", 100));
        for (int i = 0; i < 60 && await _peer.WriteAsync(lines); i++)
        {
            // 140 KB in all; the bound is 64 KiB.
        }
    }

    private static string KindName(int kind) => kind switch
    {
        0 => "4xx",
        1 => "5xx",
        2 => "421",
        3 => "close",
        5 => "garbage",
        6 => "a reply too many",
        7 => "endless reply",
        _ => "stall",
    };

    private static string Path(string line) => SmtpPeer.Utf8(line[(line.IndexOf('<', StringComparison.Ordinal) + 1)..line.IndexOf('>', StringComparison.Ordinal)]);

    private enum Fault
    {
        None,

        /// <summary>Answered with a refusal; the session goes on.</summary>
        Refuse,

        /// <summary>The session ends.</summary>
        Leave,
    }
}
