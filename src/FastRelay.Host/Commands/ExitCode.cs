namespace FastRelay.Host.Commands;

/// <summary>What a command's end says to a script.</summary>
public static class ExitCode
{
    /// <summary>It did what was asked.</summary>
    public const int Ok = 0;

    /// <summary>It could not, for a reason that was printed.</summary>
    public const int Failure = 1;

    /// <summary>The command line makes no sense.</summary>
    public const int Usage = 2;

    /// <summary>The relay cannot be reached, try later (EX_TEMPFAIL of sysexits).</summary>
    public const int Unreachable = 75;

    /// <summary>The configuration is wrong (EX_CONFIG of sysexits).</summary>
    public const int BadConfig = 78;
}
