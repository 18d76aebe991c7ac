namespace FastRelay.Outside;

/// <summary>
/// Where log lines go. A reader that has stopped blocks nobody: lines that find no room are dropped and counted.
/// </summary>
public abstract class Output
{
    /// <summary>Takes one whole line with its final newline; any thread.</summary>
    /// <returns>False when it was dropped.</returns>
    public abstract bool TryWrite(ReadOnlySpan<byte> line);

    /// <summary>Lines go to systemd's journal, which takes a level in front of a line, as in <c>&lt;4&gt;</c> (sd-daemon(3)).</summary>
    public virtual bool IsJournal => false;

    /// <summary>Lines dropped since the start.</summary>
    public abstract long Dropped { get; }

    /// <summary>True when so many octets of lines would not be dropped now; never for more than fit when nothing waits. Any thread.</summary>
    public virtual bool HasRoom(long octets) => true;

    /// <summary>Waits until so many octets of lines would not be dropped; for threads that may wait, as a start's.</summary>
    /// <param name="octets">No more than fit when nothing waits.</param>
    /// <param name="most">How long at most.</param>
    /// <returns>False when there is no room by then.</returns>
    public bool WaitForRoom(long octets, TimeSpan most) => HasRoom(octets) || SpinWait.SpinUntil(() => HasRoom(octets), most);

    /// <summary>Octets of the lines taken since the start; any thread.</summary>
    public virtual long Taken => 0;

    /// <summary>Those of <see cref="Taken"/> that are out of the process's hands: with the system, which keeps them when the process dies, or dropped for their age; any thread.</summary>
    public virtual long Passed => 0;

    /// <summary>
    /// Those of <see cref="Taken"/> that a power cut would not lose either, when <see cref="MakeDurable"/> was asked since; where lines go to
    /// no file of ours, those that are <see cref="Passed"/>. Any thread.
    /// </summary>
    public virtual long Kept => Passed;

    /// <summary>Asks that the lines taken so far be made durable; does not wait, and may be asked again. Any thread.</summary>
    public virtual void MakeDurable()
    {
    }
}
