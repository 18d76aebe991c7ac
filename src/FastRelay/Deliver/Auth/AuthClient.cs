using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using FastRelay.Routing;
using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>
/// Authenticates us to a smarthost (RFC 4954) by the best mechanism that both know: SCRAM-SHA-256 (RFC 5802, RFC 7677),
/// PLAIN (RFC 4616), LOGIN. Pure: challenges in, lines out. Only used inside TLS.
/// </summary>
public sealed class AuthClient
{
    // With 19 octets of command and a nonce it is a line of 511 octets in base64. 100 commas and equals signs pass.
    private const int EscapedMax = 335;
    private const int NonceMax = 256;

    private enum State : byte
    {
        Plain,
        LoginCommand,
        LoginName,
        LoginPassword,
        ScramFirst,
        ScramKey,
        ScramProof,
        Proved,
    }

    private readonly byte[] _line = new byte[CommandWriter.CommandBytes];
    private readonly ArrayBufferWriter<byte> _authMessage = new(1024);
    private readonly byte[] _serverSignature = new byte[Scram.KeyBytes];
    private readonly byte[] _nonce = new byte[NonceMax];
    private Credentials _credentials = null!;
    private State _state;
    private int _lineLength;
    private int _nonceLength;

    /// <summary>The salt of <see cref="AuthStep.Derive"/>.</summary>
    public byte[] Salt { get; private set; } = [];

    /// <summary>The rounds of <see cref="AuthStep.Derive"/>.</summary>
    public int Iterations { get; private set; }

    /// <summary>Who we are; set by <see cref="Start"/>.</summary>
    public Credentials Credentials => _credentials;

    /// <summary>Why it failed, for people.</summary>
    public ReadOnlyMemory<byte> Failure { get; private set; }

    /// <summary>Prepares the AUTH command.</summary>
    /// <param name="credentials">Who we are.</param>
    /// <param name="offered">What the host knows.</param>
    /// <param name="secure">TLS is on; without it nothing is sent.</param>
    public AuthStep Start(Credentials credentials, AuthMechanisms offered, bool secure)
    {
        _credentials = credentials;
        return !secure ? Fail(FailureText.AuthNeedsTls) : TryStart(credentials, offered) ? AuthStep.Write : Fail(FailureText.AuthNotOffered);
    }

    private bool TryStart(Credentials credentials, AuthMechanisms offered)
    {
        Span<byte> message = stackalloc byte[CommandWriter.CommandBytes];
        if ((offered & AuthMechanisms.ScramSha256) != 0)
        {
            _state = State.ScramFirst;
            credentials.Nonces.Write(_nonce);
            _nonceLength = NonceSource.NonceBytes;
            int at = Put(message, 0, "n,,n="u8);
            if (!Scram.TryEscape(credentials.Name, message[at..EscapedMax], out int escaped))
            {
                return false;
            }
            at = Put(message, at + escaped, ",r="u8);
            at = Put(message, at, _nonce.AsSpan(0, _nonceLength));
            _authMessage.ResetWrittenCount();
            _authMessage.Write(message["n,,".Length..at]);
            SetLine("AUTH SCRAM-SHA-256 "u8, message[..at]);
            return true;
        }
        if ((offered & AuthMechanisms.Plain) != 0)
        {
            _state = State.Plain;
            message[0] = 0;
            int at = Put(message, 1, credentials.Name);
            message[at++] = 0;
            at = Put(message, at, credentials.Password);
            SetLine("AUTH PLAIN "u8, message[..at]);
            CryptographicOperations.ZeroMemory(message);
            return true;
        }
        if ((offered & AuthMechanisms.Login) != 0)
        {
            _state = State.LoginCommand;
            SetLine("AUTH LOGIN"u8, default);
            return true;
        }
        return false;
    }

    /// <summary>Writes the line that is due.</summary>
    /// <param name="into">At least <see cref="CommandWriter.CommandBytes"/>.</param>
    public int Write(Span<byte> into)
    {
        _line.AsSpan(0, _lineLength).CopyTo(into);
        CryptographicOperations.ZeroMemory(_line);
        return _lineLength;
    }

    /// <summary>Takes a reply that is no refusal. With SCRAM a 235 counts only after the host has proved that it knows the password too.</summary>
    internal AuthStep OnReply(in ServerReply reply) => reply.Code == 334 ? OnChallenge(reply.Text)
        : reply.Kind == 2 && (_state is State.Plain or State.LoginPassword or State.Proved) ? AuthStep.Done
        : Fail(reply.Kind == 2 ? FailureText.AuthUnproved : FailureText.AuthNonsense);

    private AuthStep OnChallenge(ReadOnlySpan<byte> text)
    {
        switch (_state)
        {
            case State.LoginCommand:
                // What it asks for is not looked at: everyone asks for the name first and then for the password.
                _state = State.LoginName;
                SetLine(default, _credentials.Name);
                return AuthStep.Write;
            case State.LoginName:
                _state = State.LoginPassword;
                SetLine(default, _credentials.Password);
                return AuthStep.Write;
            case State.ScramFirst:
                return OnServerFirst(text);
            case State.ScramProof:
                return OnServerFinal(text);
            default:
                return Fail(FailureText.AuthNonsense);
        }
    }

    /// <summary>The key of <see cref="AuthStep.Derive"/> is there.</summary>
    /// <param name="salted">The salted password.</param>
    public AuthStep OnDerived(ReadOnlySpan<byte> salted)
    {
        Check.That(_state == State.ScramKey);
        return Prove(salted);
    }

    // r=nonce,s=salt,i=iterations (RFC 5802 7); what follows is not looked at, and "m=" in front is an extension that we do not know.
    private AuthStep OnServerFirst(ReadOnlySpan<byte> text)
    {
        Span<byte> message = stackalloc byte[CommandWriter.CommandBytes];
        if (text.Length > message.Length || Base64.DecodeFromUtf8(text, message, out _, out int length) != OperationStatus.Done)
        {
            return Fail(FailureText.AuthNonsense);
        }
        ReadOnlySpan<byte> rest = message[..length];
        Span<byte> salt = stackalloc byte[CommandWriter.CommandBytes];
        if (!Scram.TryAttribute(ref rest, 'r', out ReadOnlySpan<byte> nonce) || nonce.Length > NonceMax || nonce.Length <= _nonceLength
            || !nonce.StartsWith(_nonce.AsSpan(0, _nonceLength))
            || !Scram.TryAttribute(ref rest, 's', out ReadOnlySpan<byte> salt64)
            || Base64.DecodeFromUtf8(salt64, salt, out _, out int saltLength) != OperationStatus.Done || saltLength is 0 or > Scram.SaltMax
            || !Scram.TryAttribute(ref rest, 'i', out ReadOnlySpan<byte> rounds)
            || !Utf8Parser.TryParse(rounds, out int iterations, out int used) || used != rounds.Length || !Scram.IsIterations(iterations))
        {
            return Fail(FailureText.AuthNonsense);
        }
        nonce.CopyTo(_nonce);
        _nonceLength = nonce.Length;
        _authMessage.Write(","u8);
        _authMessage.Write(message[..length]);
        _state = State.ScramKey;
        ReadOnlySpan<byte> known = _credentials.SaltedFor(salt[..saltLength], iterations);
        if (!known.IsEmpty)
        {
            return Prove(known);
        }
        Salt = salt[..saltLength].ToArray();
        Iterations = iterations;
        return AuthStep.Derive;
    }

    private AuthStep Prove(ReadOnlySpan<byte> salted)
    {
        Span<byte> final = stackalloc byte[CommandWriter.CommandBytes];
        // "biws" is "n,,": no channel binding.
        int at = Put(final, 0, "c=biws,r="u8);
        at = Put(final, at, _nonce.AsSpan(0, _nonceLength));
        _authMessage.Write(","u8);
        _authMessage.Write(final[..at]);
        Span<byte> clientKey = stackalloc byte[Scram.KeyBytes];
        Span<byte> key = stackalloc byte[Scram.KeyBytes];
        Span<byte> signature = stackalloc byte[Scram.KeyBytes];
        Scram.ClientKey(salted, clientKey);
        Scram.StoredKey(clientKey, key);
        Scram.Signature(key, _authMessage.WrittenSpan, signature);
        Scram.Prove(clientKey, signature);
        at = Put(final, at, ",p="u8);
        Base64.EncodeToUtf8(clientKey, final[at..], out _, out int proof);
        Scram.ServerKey(salted, key);
        Scram.Signature(key, _authMessage.WrittenSpan, _serverSignature);
        _state = State.ScramProof;
        SetLine(default, final[..(at + proof)]);
        return AuthStep.Write;
    }

    private AuthStep OnServerFinal(ReadOnlySpan<byte> text)
    {
        Span<byte> message = stackalloc byte[CommandWriter.CommandBytes];
        Span<byte> signature = stackalloc byte[CommandWriter.CommandBytes];
        if (text.Length > message.Length || Base64.DecodeFromUtf8(text, message, out _, out int length) != OperationStatus.Done)
        {
            return Fail(FailureText.AuthNonsense);
        }
        ReadOnlySpan<byte> rest = message[..length];
        if (!Scram.TryAttribute(ref rest, 'v', out ReadOnlySpan<byte> proof)
            || Base64.DecodeFromUtf8(proof, signature, out _, out int signed) != OperationStatus.Done
            || !CryptographicOperations.FixedTimeEquals(signature[..signed], _serverSignature))
        {
            return Fail(FailureText.AuthUnproved);
        }
        _state = State.Proved;
        SetLine(default, default);
        return AuthStep.Write;
    }

    private AuthStep Fail(ReadOnlyMemory<byte> why)
    {
        Failure = why;
        return AuthStep.Failed;
    }

    private void SetLine(ReadOnlySpan<byte> command, ReadOnlySpan<byte> message)
    {
        int at = Put(_line, 0, command);
        Base64.EncodeToUtf8(message, _line.AsSpan(at), out _, out int written);
        _lineLength = Put(_line, at + written, "\r\n"u8);
    }

    private static int Put(Span<byte> into, int at, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(into[at..]);
        return at + bytes.Length;
    }
}
