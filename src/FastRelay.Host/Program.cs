Console.WriteLine("fastrelay");
