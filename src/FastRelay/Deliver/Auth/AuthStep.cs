namespace FastRelay.Deliver;

/// <summary>What <see cref="AuthClient"/> wants next.</summary>
public enum AuthStep : byte
{
    /// <summary>A line is to be written.</summary>
    Write,

    /// <summary>A key is to be derived from the password, off the loop.</summary>
    Derive,

    /// <summary>We are authenticated.</summary>
    Done,

    /// <summary>It cannot be: <see cref="AuthClient.Failure"/> says why.</summary>
    Failed,
}
