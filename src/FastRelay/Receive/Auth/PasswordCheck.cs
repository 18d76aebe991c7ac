using System.Net;
using System.Security.Cryptography;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>Checks one password at a time off the loop. It owns the only copy of the password and wipes it.</summary>
/// <param name="loop">Where it completes.</param>
/// <param name="queue">Where it waits for its turn.</param>
internal sealed class PasswordCheck(Loop loop, PasswordQueue queue) : OffloadJob
{
    private readonly Signal<bool?> _done = new(loop);
    private readonly byte[] _password = new byte[SaslText.OctetsMax];
    private ScramVerifier _verifier = null!;
    private int _length;
    private bool _matches;
    private Link _link = null!;

    /// <summary>Who sent it.</summary>
    public IPAddress Client { get; private set; } = IPAddress.None;

    /// <summary>Nobody is there any more to hear what it comes to.</summary>
    public bool IsGone => _link.PeerGone;

    /// <summary>Checks; null when too many passwords wait to be checked.</summary>
    /// <param name="verifier">Of the user.</param>
    /// <param name="password">At most 255 octets; copied.</param>
    /// <param name="client">Who sent it.</param>
    /// <param name="link">When it has failed, or its peer closed it, before the check's turn comes, there is none: null too.</param>
    public ValueTask<bool?> MatchesAsync(ScramVerifier verifier, ReadOnlySpan<byte> password, IPAddress client, Link link)
    {
        Client = client;
        _link = link;
        _verifier = verifier;
        _length = password.Length;
        password.CopyTo(_password);
        _done.Reset();
        if (queue.TryBegin(this))
        {
            return _done.WaitAsync();
        }
        CryptographicOperations.ZeroMemory(_password);
        return default;
    }

    /// <summary>Ends it without a check.</summary>
    public void Skip()
    {
        CryptographicOperations.ZeroMemory(_password);
        _done.Set(null);
    }

    /// <inheritdoc/>
    protected override void Execute()
    {
        _matches = _verifier.Matches(_password.AsSpan(0, _length));
        CryptographicOperations.ZeroMemory(_password);
    }

    /// <inheritdoc/>
    protected override void Run()
    {
        queue.Done();
        _done.Set(_matches);
    }
}
