using System.Security.Cryptography;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>Checks one password at a time off the loop. It owns the only copy of the password and wipes it.</summary>
/// <param name="loop">Where it completes.</param>
/// <param name="queue">Where it waits for its turn.</param>
internal sealed class PasswordCheck(Loop loop, PasswordQueue queue) : OffloadJob
{
    private readonly Signal<bool> _done = new(loop);
    private readonly byte[] _password = new byte[SaslText.OctetsMax];
    private ScramVerifier _verifier = null!;
    private int _length;
    private bool _matches;

    /// <summary>Begins to check; <see cref="ResultAsync"/> says what came of it.</summary>
    /// <param name="verifier">Of the user.</param>
    /// <param name="password">At most 255 octets; copied.</param>
    /// <returns>False when too many passwords wait to be checked; then nothing is begun.</returns>
    public bool TryBegin(ScramVerifier verifier, ReadOnlySpan<byte> password)
    {
        _verifier = verifier;
        _length = password.Length;
        password.CopyTo(_password);
        _done.Reset();
        if (queue.TryBegin(this))
        {
            return true;
        }
        CryptographicOperations.ZeroMemory(_password);
        return false;
    }

    /// <summary>True when the password is the user's; once for each check that was begun.</summary>
    public ValueTask<bool> ResultAsync() => _done.WaitAsync();

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
