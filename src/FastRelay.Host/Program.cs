using System.Text;

// Buffered: a listing of a million lines is not a million calls. Standard error stays unbuffered.
using var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false), 1 << 15);
return FastRelay.Host.Commands.CommandLine.Run(args, output, Console.Error);
