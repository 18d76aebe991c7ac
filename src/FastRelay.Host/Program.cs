using System.Text;
using FastRelay.Host.Commands;

if (args is [BenchTie.Word, var parent, .. var rest])
{
    if (!BenchTie.Tie(parent))
    {
        return ExitCode.Failure;
    }
    args = rest;
}

// Buffered: a listing of a million lines is not a million calls. Standard error stays unbuffered.
using var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false), 1 << 15);
return CommandLine.Run(args, output, Console.Error);
