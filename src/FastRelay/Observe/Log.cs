using FastRelay.Outside;

namespace FastRelay.Observe;

/// <summary>
/// The log: one logfmt line an event, which a person can read and a program can parse. Every line begins with
/// <c>ts</c>, <c>level</c> and <c>event</c>. Writing allocates nothing and never blocks: a line that finds no room is
/// dropped and counted by <see cref="Output"/>.
/// </summary>
/// <param name="output">Takes whole lines.</param>
/// <param name="time">Wall clock for <c>ts</c>.</param>
public sealed class Log(Output output, TimeProvider time)
{
    /// <summary>Bytes of one line; fields past it are cut and the line ends with <c>cut=true</c>.</summary>
    public const int LineBytes = 4096;

    [ThreadStatic]
    private static byte[]? t_buffer;

    [ThreadStatic]
    private static LogStamp? t_stamp;

    /// <summary>Lines lost to a reader that was too slow.</summary>
    public long Dropped => output.Dropped;

    /// <summary>Begins a line about the normal course of things.</summary>
    public LogLine Line(ReadOnlySpan<byte> name) => Begin("info"u8, default, name);

    /// <summary>Begins a line that an operator should look at.</summary>
    public LogLine Warn(ReadOnlySpan<byte> name) => Begin("warn"u8, "<4>"u8, name);

    /// <summary>Begins a line about something broken.</summary>
    public LogLine Error(ReadOnlySpan<byte> name) => Begin("error"u8, "<3>"u8, name);

    /// <summary>What became of mail, for programs; null when nobody asked for it. Set before the loop turns.</summary>
    public EventStream? Events { get; set; }

    /// <summary>Live dialogues, for those who watch them.</summary>
    public Tracer Tracer { get; } = new(time);

    internal void Write(ReadOnlySpan<byte> line) => output.TryWrite(line);

    // Without a level of its own a line of the journal is info (SyslogLevel= of systemd.exec(5)).
    private LogLine Begin(ReadOnlySpan<byte> level, ReadOnlySpan<byte> priority, ReadOnlySpan<byte> name)
    {
        byte[] buffer = t_buffer ??= new byte[LineBytes];
        var line = new LogLine(this, buffer);
        line.Start(output.IsJournal ? priority : default, (t_stamp ??= new LogStamp()).Of(time.GetUtcNow()), level, name);
        return line;
    }
}
