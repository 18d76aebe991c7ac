using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Golden;

/// <summary>The transcripts in this folder, each whole, octet by octet and cut at every place.</summary>
public class SmtpGoldenTests
{
    private const int CommandLimit = 64;

    [Fact]
    public void Commands_are_read_the_same_however_the_stream_is_cut()
        => Check("commands.txt", (input, cut) => Drivers.Commands(input, cut, CommandLimit), 11);

    [Fact]
    public void Replies_are_read_the_same_however_the_stream_is_cut()
        => Check("replies.txt", (input, cut) => Drivers.Replies(input, cut, new ReplyParser(64, 400, 5)), 15);

    [Fact]
    public void Content_is_decoded_the_same_however_the_stream_is_cut_and_whatever_room_there_is()
    {
        foreach (var room in new[] { DotDecoder.OutputMin, 5, 7, 1000 })
        {
            Check("dots.txt", (input, cut) => [Drivers.Dots(input, cut, room).ToString()], 15);
        }
    }

    private static void Check(string file, Func<byte[], int[], List<string>> run, int casesMin)
    {
        var cases = GoldenFile.Read(file);
        Assert.True(cases.Count >= casesMin, $"{file} has only {cases.Count} cases");
        foreach (var golden in cases)
        {
            foreach (var cut in Cuts.Of(golden.Input.Length))
            {
                var actual = run(golden.Input, cut);
                Assert.True(
                    golden.Expected.SequenceEqual(actual),
                    $"{file}: {golden.Name}, cut {string.Join(',', cut.Take(4))}\nexpected:\n{string.Join('\n', golden.Expected)}\nactual:\n{string.Join('\n', actual)}");
            }
        }
    }
}
