namespace FastRelay.Outside;

/// <summary>
/// Says which of the lines that wait to be written are too old to be worth it, and what is written in their place. Called
/// by the thread that writes, from the oldest line on.
/// </summary>
public abstract class StaleLines
{
    /// <summary>Octets that <see cref="Instead"/> needs at most.</summary>
    public const int InsteadBytes = 256;

    /// <summary>True when a whole line is too old: it goes unwritten, and <see cref="Instead"/> speaks for it.</summary>
    public abstract bool Take(ReadOnlySpan<byte> line);

    /// <summary>The line that stands for all that were taken since it was last asked for.</summary>
    /// <param name="into">At least <see cref="InsteadBytes"/>.</param>
    /// <returns>Its octets; 0 when none was taken.</returns>
    public abstract int Instead(Span<byte> into);
}
