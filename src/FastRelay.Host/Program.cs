return FastRelay.Host.Commands.CommandLine.Run(args, Console.Out, Console.Error);
