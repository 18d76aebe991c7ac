using System.Diagnostics;
using System.Globalization;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using FastRelay.Config;
using FastRelay.Deliver;
using FastRelay.Routing;
using FastRelay.Smtp;

namespace FastRelay.Host.Commands;

/// <summary>One connection of <see cref="TryDialogue"/>: drives a <see cref="SendMachine"/> over a stream and shows both sides, but no password.</summary>
/// <param name="config">Our name and limits.</param>
/// <param name="say">Shows one line of a side: <c>&gt;</c> we, <c>&lt;</c> the host, <c>=</c> a remark.</param>
internal sealed class TryConnection(RelayConfig config, Action<char, string> say)
{
    // An operator looks on: less than a delivery waits.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly SendMachine _machine = new(Encoding.ASCII.GetBytes(config.HostName), 1);
    private readonly byte[] _text = new byte[Limits.ReplyTextBytes];
    private readonly List<byte> _line = [];
    private ReplyParser _parser = new(ReplyParser.LineOctetsUsual, Limits.ReplyBytes, ReplyParser.LinesUsual);
    private readonly byte[] _input = new byte[Limits.ReplyBytes];
    private int _held;
    private Stream _stream = Stream.Null;
    private long _askedAt;

    private delegate bool Taker(ReadOnlySpan<byte> input, out int consumed);

    /// <summary>The options of a handshake.</summary>
    public required Func<SslClientAuthenticationOptions> Options { get; init; }

    /// <summary>The host's answer to the point: would it take mail? Null when it did not come to that.</summary>
    public bool? Taken { get; private set; }

    /// <summary>The handshake failed, and a delivery would now connect again and stay in clear.</summary>
    public bool MayGoInClear { get; private set; }

    /// <summary>The host does not know our user or its password.</summary>
    public bool LoginRefused { get; private set; }

    /// <summary>Talks from the banner to QUIT.</summary>
    /// <param name="stream">Connected.</param>
    /// <param name="use">When TLS begins.</param>
    /// <param name="credentials">Who we are to the host; null when it does not ask.</param>
    /// <param name="recipient">For RCPT; empty for none.</param>
    /// <exception cref="IOException">The connection broke.</exception>
    /// <exception cref="OperationCanceledException">The host said nothing.</exception>
    public async Task TalkAsync(Stream stream, StartTlsUse use, Credentials? credentials, string recipient)
    {
        _stream = stream;
        _askedAt = Stopwatch.GetTimestamp();
        if (await ConverseAsync(_machine.Start(use, credentials)) == SendStep.Ready)
        {
            Taken = recipient.Length == 0 || await AskAsync(recipient);
            await ConverseAsync(_machine.Quit());
            return;
        }
        MayGoInClear = use == StartTlsUse.WhenOffered && _machine.Failure.Cause == OutcomeCause.TlsFailed;
        LoginRefused = _machine.Stage == SmtpStage.Auth && _machine.Failure.Reach == Reach.Site;
        // A refusal stands there in the host's own words already; that of AUTH does not.
        say('=', $"mail is deferred: {Encoding.UTF8.GetString(_machine.FailureReason.Span)}");
    }

    private async Task<SendStep> ConverseAsync(SendStep step)
    {
        while (true)
        {
            switch (step)
            {
                case SendStep.Write when _held > 0:
                    step = _machine.Lost(OutcomeCause.BadReply);
                    break;
                case SendStep.Write:
                    byte[] command = new byte[CommandWriter.CommandBytes];
                    SmtpStage stage = _machine.Stage;
                    int length = _machine.Write(command, default, default);
                    await WriteAsync(command.AsMemory(0, length), secret: stage == SmtpStage.Auth);
                    step = SendStep.Read;
                    break;
                case SendStep.Read:
                    SendStep next = SendStep.Read;
                    bool secret = _machine.Stage == SmtpStage.Auth;
                    step = await ReadAsync((input, out consumed) => (next = _machine.Receive(input, out consumed)) != SendStep.Read, secret)
                        ? next
                        : _machine.Lost(OutcomeCause.ConnectionLost);
                    break;
                case SendStep.StartTls:
                    step = await ShakeAsync();
                    break;
                case SendStep.Derive:
                    step = _machine.KeyDerived(_machine.Auth.Credentials.Derive(_machine.Auth.Salt, _machine.Auth.Iterations));
                    break;
                default:
                    return step;
            }
        }
    }

    // By hand, one by one: in a transaction of the machine DATA would follow.
    private async Task<bool> AskAsync(string recipient)
    {
        byte[] mailbox = Encoding.UTF8.GetBytes(recipient);
        byte[] command = new byte[CommandWriter.CommandBytes];
        int length = CommandWriter.Mail(command, default, -1, eightBit: false);
        if (!Ascii.IsValid(mailbox))
        {
            if (!_machine.Capabilities.Has(SmtpExtensions.SmtpUtf8))
            {
                say('=', "the address is not ASCII and the host does not offer SMTPUTF8: its mail fails (RFC 6531 3.6)");
                return false;
            }
            length = DsnParameters.AddUtf8(command, length);
        }
        if (await AskAsync(command.AsMemory(0, length)))
        {
            length = CommandWriter.Rcpt(command, mailbox);
            return await AskAsync(command.AsMemory(0, length));
        }
        return false;
    }

    private async Task<bool> AskAsync(ReadOnlyMemory<byte> command)
    {
        if (_held > 0)
        {
            say('=', "the host said more than it was asked for");
            return false;
        }
        await WriteAsync(command, secret: false);
        ReplyStatus status = ReplyStatus.NeedMore;
        bool whole = await ReadAsync((input, out consumed) => (status = _parser.Feed(input, _text, out consumed)) != ReplyStatus.NeedMore, secret: false);
        return whole && status == ReplyStatus.Complete && _parser.Code is >= 200 and < 300;
    }

    private async Task<SendStep> ShakeAsync()
    {
        if (_held > 0)
        {
            return _machine.TlsFailed("the host sent clear text behind its answer to STARTTLS"u8.ToArray());
        }
        SslPolicyErrors problems = SslPolicyErrors.None;
        SslClientAuthenticationOptions options = Options();
        RemoteCertificateValidationCallback? judge = options.RemoteCertificateValidationCallback;
        options.RemoteCertificateValidationCallback = (sender, certificate, chain, errors) =>
        {
            problems = errors;
            return judge is null ? errors == SslPolicyErrors.None : judge(sender, certificate, chain, errors);
        };
        var secure = new SslStream(_stream);
        using var patience = new CancellationTokenSource(s_patience);
        try
        {
            await secure.AuthenticateAsClientAsync(options, patience.Token);
        }
        catch (Exception e) when (e is AuthenticationException or IOException or CryptographicException or OperationCanceledException)
        {
            string why = e is OperationCanceledException ? "the handshake took too long" : FailureText.OfTls(e.GetBaseException().Message);
            return _machine.TlsFailed(Encoding.UTF8.GetBytes($"TLS handshake: {why}{(problems == SslPolicyErrors.None ? "" : $" ({problems})")}"));
        }
        _stream = secure;
        say('=', $"{secure.SslProtocol}, {secure.NegotiatedCipherSuite}, certificate of {secure.RemoteCertificate?.Subject}: {(problems == SslPolicyErrors.None ? "valid for this host" : "not valid: " + problems)}");
        if (options.ClientCertificateContext is { } own)
        {
            X509Certificate2 ours = own.TargetCertificate;
            say('=', string.Create(CultureInfo.InvariantCulture, $"ours for a host that asks: {ours.Subject}, valid until {ours.NotAfter.ToUniversalTime():yyyy-MM-dd}"));
        }
        return _machine.TlsStarted();
    }

    private async Task WriteAsync(ReadOnlyMemory<byte> command, bool secret)
    {
        string shown = Encoding.UTF8.GetString(command.Span).TrimEnd('\r', '\n');
        if (secret)
        {
            // The mechanism and no more: the rest is, or proves, the password.
            string[] words = shown.Split(' ');
            shown = words is ["AUTH", ..] ? string.Join(' ', words.Take(2)) + (words.Length > 2 ? " (not shown)" : "") : "(not shown)";
        }
        say('>', shown);
        _askedAt = Stopwatch.GetTimestamp();
        using var patience = new CancellationTokenSource(s_patience);
        await _stream.WriteAsync(command, patience.Token);
        await _stream.FlushAsync(patience.Token);
    }

    // False when the host closed before the taker had enough.
    private async Task<bool> ReadAsync(Taker taker, bool secret)
    {
        using var patience = new CancellationTokenSource(s_patience);
        while (true)
        {
            bool whole = taker(_input.AsSpan(0, _held), out int consumed);
            Show(_input.AsSpan(0, consumed), secret);
            _held -= consumed;
            Buffer.BlockCopy(_input, consumed, _input, 0, _held);
            if (whole)
            {
                return true;
            }
            int read = await _stream.ReadAsync(_input.AsMemory(_held), patience.Token);
            if (read == 0)
            {
                say('=', "the host closed the connection");
                return false;
            }
            _held += read;
        }
    }

    private void Show(ReadOnlySpan<byte> bytes, bool secret)
    {
        foreach (byte octet in bytes)
        {
            if (octet != '\n')
            {
                _line.Add(octet);
                continue;
            }
            string line = Encoding.UTF8.GetString([.. _line]).TrimEnd('\r');
            _line.Clear();
            if (secret && line.Length > 4)
            {
                // Some hosts repeat what they were sent.
                line = line[..4] + "(not shown)";
            }
            say('<', line.Length > 3 && line[3] == '-' ? line : string.Create(CultureInfo.InvariantCulture, $"{line}  ({Stopwatch.GetElapsedTime(_askedAt).TotalMilliseconds:F0} ms)"));
        }
    }
}
