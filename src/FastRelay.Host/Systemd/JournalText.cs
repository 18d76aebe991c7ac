using System.Text;

namespace FastRelay.Host.Systemd;

/// <summary>
/// Standard error where it leads to systemd's journal, which takes a level in front of each line (sd-daemon(3)): a whole line is a
/// complaint, and an error (<c>&lt;3&gt;</c>) unless it begins with <c>warning:</c> (<c>&lt;4&gt;</c>); what is written otherwise, the
/// start screen, is information but for its warnings. Any thread; not for what is written often.
/// </summary>
/// <param name="inner">Takes the lines, each call's at once.</param>
public sealed class JournalText(TextWriter inner) : TextWriter
{
    private const string Warning = "warning:";

    /// <inheritdoc/>
    public override Encoding Encoding => inner.Encoding;

    /// <inheritdoc/>
    public override void Write(char value) => inner.Write(value);

    /// <inheritdoc/>
    public override void Write(string? value) => inner.Write(Marked(value ?? "", ""));

    /// <inheritdoc/>
    public override void WriteLine(string? value) => inner.Write(Marked(value + "\n", "<3>"));

    // Each line, as a text of several would else be of one level and information behind it.
    private static string Marked(string text, string level)
    {
        var marked = new StringBuilder(text.Length + 8);
        for (int at = 0; at < text.Length;)
        {
            int end = text.IndexOf('\n', at) is >= 0 and int newline ? newline + 1 : text.Length;
            string line = text[at..end];
            marked.Append(line.StartsWith(Warning, StringComparison.Ordinal) ? "<4>" : level).Append(line);
            at = end;
        }
        return marked.ToString();
    }
}
