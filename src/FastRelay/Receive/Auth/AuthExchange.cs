using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>What one line of an AUTH exchange came to.</summary>
internal enum AuthVerdict : byte
{
    /// <summary>334 with <see cref="AuthExchange.Challenge"/>.</summary>
    Challenge,

    /// <summary>The driver checks <see cref="AuthExchange.Password"/> against <see cref="AuthExchange.Verifier"/>.</summary>
    CheckPassword,

    /// <summary>It is <see cref="AuthExchange.User"/> (235).</summary>
    Accepted,

    /// <summary>It is not (535).</summary>
    Refused,

    /// <summary>No base64, or no message of the mechanism (501).</summary>
    Malformed,

    /// <summary>The client gave up (501).</summary>
    Cancelled,

    /// <summary>No such mechanism (504).</summary>
    UnknownMechanism,
}

/// <summary>
/// One AUTH exchange (RFC 4954 4): PLAIN (RFC 4616), LOGIN and SCRAM-SHA-256 (RFC 7677), all checked against the same
/// verifiers. Pure; made for one AUTH command and then forgotten with the password in it.
/// </summary>
/// <param name="users">Who there is.</param>
internal sealed class AuthExchange(UserTable users)
{
    /// <summary>Octets of a line of an exchange with its CRLF (RFC 4954 4).</summary>
    public const int LineBytes = 12_288;

    private readonly byte[] _message = new byte[LineBytes];
    private readonly byte[] _challenge = new byte[768];
    private int _challengeLength;
    private int _passwordAt;
    private int _passwordLength;
    private Step _step;
    private ScramServer? _scram;

    private enum Step : byte
    {
        PlainMessage,
        LoginName,
        LoginPassword,
        ScramFirst,
        ScramFinal,
        ScramDone,
    }

    /// <summary>The mechanism's name, for the log; empty when it is unknown.</summary>
    public string Mechanism { get; private set; } = "";

    /// <summary>The user, when there is one of that name; it is proved only by <see cref="AuthVerdict.Accepted"/> or the password check.</summary>
    public string? User { get; private set; }

    /// <summary>To check <see cref="Password"/> against.</summary>
    public ScramVerifier Verifier { get; private set; } = null!;

    /// <summary>The password that came.</summary>
    public ReadOnlySpan<byte> Password => _message.AsSpan(_passwordAt, _passwordLength);

    /// <summary>For 334, in base64.</summary>
    public ReadOnlySpan<byte> Challenge => _challenge.AsSpan(0, _challengeLength);

    /// <summary>Takes the argument of AUTH: a mechanism, and perhaps an initial response.</summary>
    public AuthVerdict Begin(ReadOnlySpan<byte> argument)
    {
        int space = argument.IndexOf((byte)' ');
        ReadOnlySpan<byte> name = space < 0 ? argument : argument[..space];
        ReadOnlySpan<byte> initial = space < 0 ? default : argument[(space + 1)..].Trim((byte)' ');
        if (System.Text.Ascii.EqualsIgnoreCase(name, "PLAIN"u8))
        {
            (Mechanism, _step) = ("PLAIN", Step.PlainMessage);
        }
        else if (System.Text.Ascii.EqualsIgnoreCase(name, "LOGIN"u8))
        {
            (Mechanism, _step) = ("LOGIN", Step.LoginName);
        }
        else if (System.Text.Ascii.EqualsIgnoreCase(name, "SCRAM-SHA-256"u8))
        {
            (Mechanism, _step) = ("SCRAM-SHA-256", Step.ScramFirst);
        }
        else
        {
            return AuthVerdict.UnknownMechanism;
        }
        if (initial.IsEmpty)
        {
            return Ask(_step == Step.LoginName ? "Username:"u8 : default);
        }
        // "=" is an initial response of no octets (RFC 4954 4).
        return initial is [(byte)'='] ? Take(0) : Continue(initial);
    }

    /// <summary>Takes a line that answers a challenge.</summary>
    public AuthVerdict Continue(ReadOnlySpan<byte> line)
    {
        if (line is [(byte)'*'])
        {
            return AuthVerdict.Cancelled;
        }
        OperationStatus status = Base64.DecodeFromUtf8(line, _message, out int used, out int length);
        // White space is no base64 of SASL's, though a decoder may let it pass.
        if (status != OperationStatus.Done || used != line.Length || line.ContainsAny(" \t\r\n"u8))
        {
            return AuthVerdict.Malformed;
        }
        return Take(length);
    }

    /// <summary>Wipes what came.</summary>
    public void Forget() => CryptographicOperations.ZeroMemory(_message);

    private AuthVerdict Take(int length)
    {
        ReadOnlySpan<byte> message = _message.AsSpan(0, length);
        switch (_step)
        {
            case Step.PlainMessage:
                return Plain(message);
            case Step.LoginName:
                if (length is 0 or > SaslText.OctetsMax)
                {
                    return AuthVerdict.Malformed;
                }
                Identify(message);
                _step = Step.LoginPassword;
                return Ask("Password:"u8);
            case Step.LoginPassword:
                return CheckPassword(0, length);
            case Step.ScramFirst:
                _scram = new ScramServer(users);
                return Scram(_scram.First(message), Step.ScramFinal);
            case Step.ScramFinal:
                return Scram(_scram!.Final(message), Step.ScramDone);
            default:
                User = _scram!.User;
                return length == 0 ? AuthVerdict.Accepted : AuthVerdict.Malformed;
        }
    }

    // [authzid] NUL authcid NUL passwd
    private AuthVerdict Plain(ReadOnlySpan<byte> message)
    {
        int first = message.IndexOf((byte)0);
        int second = first < 0 ? -1 : message[(first + 1)..].IndexOf((byte)0);
        if (second <= 0 || second > SaslText.OctetsMax)
        {
            return AuthVerdict.Malformed;
        }
        ReadOnlySpan<byte> name = message.Slice(first + 1, second);
        if (first > 0 && !message[..first].SequenceEqual(name))
        {
            // Nobody acts for somebody else here (RFC 4616 2).
            return AuthVerdict.Refused;
        }
        Identify(name);
        int at = first + 1 + second + 1;
        return CheckPassword(at, message.Length - at);
    }

    private AuthVerdict CheckPassword(int at, int length)
    {
        if (length == 0 || _message.AsSpan(at, length).Contains((byte)0))
        {
            return AuthVerdict.Malformed;
        }
        // Longer than any password that can be set: it costs as much time as a wrong one.
        _passwordAt = at;
        _passwordLength = Math.Min(length, SaslText.OctetsMax);
        if (length > SaslText.OctetsMax)
        {
            User = null;
            Verifier = users.Find([], out _);
        }
        return AuthVerdict.CheckPassword;
    }

    private AuthVerdict Scram(AuthVerdict verdict, Step next)
    {
        User = _scram!.User;
        _step = next;
        return verdict == AuthVerdict.Challenge ? Ask(_scram.Message) : verdict;
    }

    private void Identify(ReadOnlySpan<byte> name)
    {
        Verifier = users.Find(name, out string? known);
        User = known;
    }

    private AuthVerdict Ask(ReadOnlySpan<byte> text)
    {
        OperationStatus status = Base64.EncodeToUtf8(text, _challenge, out _, out _challengeLength);
        Check.That(status == OperationStatus.Done, "a challenge is short");
        return AuthVerdict.Challenge;
    }
}
