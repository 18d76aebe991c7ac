using Xunit;

namespace FastRelay.Tests.Deliver;

public sealed class TranscriptTests
{
    public static TheoryData<string> Names()
    {
        var names = new TheoryData<string>();
        foreach (string path in Directory.GetFiles(Folder, "*.txt").Order(StringComparer.Ordinal))
        {
            names.Add(Path.GetFileNameWithoutExtension(path));
        }
        return names;
    }

    private static string Folder => Path.Combine(AppContext.BaseDirectory, "Deliver", "Transcripts");

    [Theory]
    [MemberData(nameof(Names))]
    public void The_machine_keeps_to_the_written_dialogue_however_replies_are_cut(string name)
    {
        string text = File.ReadAllText(Path.Combine(Folder, name + ".txt"));
        foreach (int chunk in (int[])[0, 1, 2, 3, 7, 16])
        {
            Transcript.Play(text, chunk);
        }
    }

    [Fact]
    public void Every_transcript_is_found() => Assert.True(Names().Count >= 20);
}
